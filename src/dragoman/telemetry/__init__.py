"""What a host tells about its calls: metrics, log lines and trace context."""
