module github.com/dragoman/dragoman/sdk/go

go 1.23
