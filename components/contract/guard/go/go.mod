module contract-guard

go 1.25
