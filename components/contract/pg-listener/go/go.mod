module contract-pg-listener

go 1.25
