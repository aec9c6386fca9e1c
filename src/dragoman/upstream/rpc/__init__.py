"""gRPC services: found by reflection or in a `.proto`, and called. Needs the extra `dragoman[grpc]`."""
