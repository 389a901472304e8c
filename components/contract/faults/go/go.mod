module contract-faults

go 1.25
