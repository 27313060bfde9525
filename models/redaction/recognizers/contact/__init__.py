"""Recognizers of e-mail, telephone, web and network addresses."""
