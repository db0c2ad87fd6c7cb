package audit_test

func setUmask(mask int) int { return mask }
