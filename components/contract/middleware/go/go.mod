module contract-middleware

go 1.25
