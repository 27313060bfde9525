"""How each container is built: where it ends, and how much of it is no picture and no sound.

Nothing here decodes a pixel or a sample. The walkers follow lengths that the file states, so each of them bounds the
number of steps. What a walker cannot follow is left to the decoder, which refuses it or reads it.
"""
