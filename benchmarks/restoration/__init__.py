"""The bench that judges every stage: photos × kinds of damage × ciphers, made, restored and evaluated as users do."""
