package freetext

// The words here are in lower case.

func salutation(s string) bool {
	switch s {
	case "herr", "herrn", "hr", "frau", "fr", "mr", "mrs", "ms", "miss", "mx", "dr", "prof", "monsieur", "madame", "mme", "señor", "señora",
		"signor", "signora", "mevrouw", "meneer":
		return true
	}
	return false
}

func title(s string) bool {
	switch s {
	case "dr", "prof", "med", "phil", "jur", "ing", "dipl", "professor", "doktor", "doctor", "rer", "nat", "mag":
		return true
	}
	return false
}

// holy says whether a word before a given name makes it a place, or a saint.
func holy(s string) bool {
	switch s {
	case "são", "sao", "san", "santa", "santo", "sant", "saint", "sainte", "sankt", "st":
		return true
	}
	return false
}

func particle(s string) bool {
	switch s {
	case "von", "vom", "zu", "zur", "van", "de", "der", "den", "del", "della", "di", "da", "dos", "la", "le", "ten", "ter", "bin", "ibn", "af", "al":
		return true
	}
	return false
}

// stop says whether a word is never part of a name that is found: days, months, what people are
// called by what they are.
func stop(s string) bool {
	if monthNumber(s) > 0 && s != "jan" {
		return true
	}
	switch s {
	case "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
		"montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag",
		"doktor", "doctor", "professor", "kunde", "kundin", "nachbar", "nachbarin", "minister", "ministerin", "präsident", "präsidentin",
		"president", "kollege", "kollegin", "bürgermeister", "bürgermeisterin", "lehrer", "lehrerin", "chairman", "speaker",
		"paris", "berlin", "london", "sydney", "vienna", "florence", "the", "and", "der", "die", "das", "und", "ist", "sie", "er":
		return true
	}
	return false
}

// noun says whether a word in upper case after a given name is more often a noun or the next
// sentence's first word than a family name that no list has.
func noun(s string) bool {
	switch s {
	case "termin", "anruf", "rechnung", "vertrag", "auftrag", "bestellung", "lieferung", "adresse", "mail", "post", "nummer", "konto", "frage", "antwort",
		"bescheid", "urlaub", "zeit", "geld", "hilfe", "email", "street", "road", "avenue", "university", "college", "school", "hospital", "bank",
		"airport", "center", "centre", "park", "church", "island", "city", "county", "club", "foundation", "institute", "award", "prize", "ltd", "inc", "gmbh",
		"straße", "strasse", "platz", "weg", "allee", "schule", "universität", "stiftung", "kirche", "klinik", "krankenhaus", "brücke", "hotel", "verlag",
		"has", "is", "was", "hat", "i", "we", "he", "she", "it", "you", "please", "thanks", "bitte", "danke", "ich", "wir", "server", "edition", "pro",
		"garden", "garten", "access", "sale", "state", "house", "haus", "hall", "hill", "lane", "court", "castle", "day", "tag", "show", "case", "key":
		return true
	}
	return false
}
