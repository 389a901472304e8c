module contract-config-log

go 1.25
