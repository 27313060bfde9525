"""TLS of the gRPC port: the files of the settings, their reload, and certificates for development."""
