module feed

go 1.23

require github.com/dragoman/dragoman/sdk/go v0.1.0
