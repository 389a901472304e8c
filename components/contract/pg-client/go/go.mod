module contract-pg-client

go 1.25
