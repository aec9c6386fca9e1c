module dragoman.bench/gateway

go 1.22
