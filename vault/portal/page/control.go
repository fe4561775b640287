package page

import "time"

// Correct is the form that corrects one record.
type Correct struct {
	// Collection and Record go back with the form; they are not shown.
	Collection, Record string
	// Title says which data these are.
	Title  string
	Inputs []Input
}

func (Correct) about() about {
	return about{name: "correct", title: "correct.title", area: areaPerson, place: sectionData}
}

// Wrong lists the inputs that are to be mended.
func (c Correct) Wrong() (list []Input) {
	for _, in := range c.Inputs {
		if in.Error != InputGood {
			list = append(list, in)
		}
	}
	return list
}

// An Input is one value that can be corrected.
type Input struct {
	// Name is the field's; the form sends the value as value.<Name>.
	Name, Title, Value string
	Kind               InputKind
	Error              InputError
	// Fixed says that the person may not change it here.
	Fixed bool
}

// InputKind is what an input is for: it brings the right keyboard and filling-in.
type InputKind string

// The kinds of input. All others are text.
const (
	InputText  InputKind = "text"
	InputLong  InputKind = "long" // several lines
	InputEmail InputKind = "email"
	InputPhone InputKind = "tel"
	InputDate  InputKind = "date"
)

// HTML is the type of the element.
func (k InputKind) HTML() string {
	switch k {
	case InputPhone:
		return "tel"
	case InputDate:
		return "date"
	default: // an address is checked here, with words of ours
		return "text"
	}
}

// InputMode is the keyboard of a phone.
func (k InputKind) InputMode() string {
	switch k {
	case InputEmail:
		return "email"
	case InputPhone:
		return "tel"
	default:
		return "text"
	}
}

// InputError is what is wrong with a value.
type InputError string

// What can be wrong.
const (
	InputGood     InputError = ""
	InputBadForm  InputError = "form" // not of the kind that the field holds
	InputTooLong  InputError = "long"
	InputRequired InputError = "required"
)

func (e InputError) key() string {
	switch e {
	case InputTooLong:
		return "input.long"
	case InputRequired:
		return "input.required"
	default:
		return "input.form"
	}
}

// Hint is the key of an example for the kind; empty: none.
func (k InputKind) explanation() string {
	switch k {
	case InputEmail:
		return "input.hint_email"
	case InputPhone:
		return "input.hint_phone"
	default:
		return ""
	}
}

// Hinted says that there is a hint for the kind.
func (k InputKind) Hinted() bool { return k.explanation() != "" }

// Download offers a copy of the person's data.
type Download struct {
	// Parts are the titles of what is in it. None: nothing is held.
	Parts []string
}

func (Download) about() about {
	return about{name: "download", title: "download.title", area: areaPerson, place: sectionDownload}
}

// Restrict pauses the use of the person's data, or ends the pause.
type Restrict struct {
	On    bool
	Since time.Time
	// Despite are titles of uses that go on all the same, because the law lets them.
	Despite []string
	// Lifting is when the organisation will end the pause; zero: it will not.
	Lifting time.Time
}

func (Restrict) about() about {
	return about{name: "restrict", title: "restrict.title", area: areaPerson, place: sectionPause}
}

// Notice tells what has changed in how the use of data is described.
type Notice struct {
	// From and To are the versions, and Since when the new one came into force. Version To goes back with forms.
	From, To string
	Since    time.Time
	Changes  []Change
}

func (Notice) about() about {
	return about{name: "notice", title: "notice.title", area: areaPerson, place: sectionPurposes}
}

// A Change is what is different for one purpose.
type Change struct {
	Purpose Purpose
	// Words say what is different, and Means what this means for the person.
	Words []ChangeLine
	Means string
	// Material says that it is more than wording: an earlier yes does not hold for it.
	Material bool
	// Then is what the person had decided, at Purpose.Since.
	Then PurposeState
}

// Decides says that the person is asked again.
func (c Change) Decides() bool { return c.Material && c.Purpose.Decision() != "" }
