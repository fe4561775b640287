package jwtauth

// printable says whether s is 1 to most bytes of printable ASCII, blanks included.
func printable(s string, most int) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= most
}

// roleName says whether s is 1 to 128 bytes of printable ASCII without blank: roles
// are named by issuers, and a policy that does not know one gives it nothing.
func roleName(s string) bool {
	for i := range len(s) {
		if s[i] == ' ' {
			return false
		}
	}
	return printable(s, 128)
}

// tenantName says whether s matches [a-z][a-z0-9-]{0,62}.
func tenantName(s string) bool { return identifier(s, '-') }

// purposeName says whether s matches [a-z][a-z0-9_]{0,62}.
func purposeName(s string) bool { return identifier(s, '_') }

func identifier(s string, also byte) bool {
	if s == "" || len(s) > 63 || !lower(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; !lower(c) && !digit(c) && c != also {
			return false
		}
	}
	return true
}

// externalID says whether s is an identifier of a person as the API takes it: 1 to
// 128 bytes of A-Z a-z 0-9 . _ ~ @ : + -, but neither . nor ..
func externalID(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case lower(c), digit(c), 'A' <= c && c <= 'Z':
		case c == '.', c == '_', c == '~', c == '@', c == ':', c == '+', c == '-':
		default:
			return false
		}
	}
	return s != "" && len(s) <= 128 && s != "." && s != ".."
}

func lower(c byte) bool { return 'a' <= c && c <= 'z' }
func digit(c byte) bool { return '0' <= c && c <= '9' }
