# Generated from wit/ by guest-bindings/generate: do not edit.
