"""One conversation stream: audio or typed text in, redacted turns and replies out.

``stream_manager`` opens streams: ``admission`` decides which, ``stream_registry`` keeps their rows and audio logs, and
``conversation_factory`` builds a ``conversation``. Five tasks then run for each stream, joined by queues:

1. receive     ``audio_ingest`` decodes a chunk and writes it to the encrypted audio log; ``rate_limit`` bounds its rate
2. acknowledge ``acknowledger`` syncs the log and tells the client which bytes are on disk
3. segment     ``segmentation`` cuts the audio into utterances (``utterance``)
4. transcribe  ``partials`` has an utterance recognised while it grows, under ``priority_limiter`` and ``load_meter``;
               ``transcriber`` makes a turn of it, which ``repository`` stores
5. respond     ``responder`` answers turns and proposes records

``events`` are the inputs and outputs; ``stream_config`` holds what a client asks for and what it may have.
"""
