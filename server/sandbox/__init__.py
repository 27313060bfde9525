"""Decodes untrusted media in processes of their own.

1. ``sandbox`` starts the fork server, and hands it one end of a socket for each file or stream
2. ``fork_server`` is a process with the decoders loaded and without threads; it forks a child for each job
3. ``confine`` takes memory, time, files and network away from the child, and ``seccomp`` nearly all system calls
4. ``jobs`` is what the child does: make a file clean, or decode a stream
5. ``client`` has the server's ends, for a file and for a stream; what a child sends is data for it, never code

A child sees one file and then ends, so a file that takes over its decoder meets neither the server nor another file.
"""
