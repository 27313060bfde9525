"""One conversation stream: what comes in, what goes out, and the four tasks between.

``ears`` takes audio in durably and cuts it into utterances; ``follower`` has each recognised while it is spoken;
``recogniser`` makes redacted turns of them, in order; ``voice`` answers and proposes; ``conversation`` runs them and
ends them together.
"""
