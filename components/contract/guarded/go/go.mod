module contract-guarded

go 1.25
