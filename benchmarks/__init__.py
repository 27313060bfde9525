"""One script a claim; each prints the peer beside Vestibule in one run."""

from server.settings import prepare_process

prepare_process()  # before anything imports NumPy: its library reads the environment when it is loaded
