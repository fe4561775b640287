package catalog

// These say whether a text reads as a value of a type, by the rules that values of fields are
// checked by. They are for package freetext, which looks for such values in other text.

// IsEmail says whether s is an e-mail address.
func IsEmail(s string) bool { return checkEmail(s) == "" }

// IsCard says whether s has the length and the check digit of a card number. It knows no issuers.
func IsCard(s string) bool { return checkCard(s) == "" }

// IsIBAN says whether s has the shape and the check digits of an IBAN. It does not know how long
// those of each country are.
func IsIBAN(s string) bool { return checkIBAN(s) == "" }

// IsNationalID says whether s is a national id of one of the regions whose check digits are known,
// given by its ISO 3166 code: BE BR DE ES FI FR GB IT NL PL SE US. Of another region nothing is.
func IsNationalID(s, region string) bool {
	return checkedRegion(region) && checkNationalID(s, region) == ""
}

// checkedRegion says whether checkNationalID knows more of a region than the common shape.
func checkedRegion(region string) bool {
	switch region {
	case "BE", "BR", "DE", "ES", "FI", "FR", "GB", "IT", "NL", "PL", "SE", "US":
		return true
	}
	return false
}
