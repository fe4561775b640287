package page

// ConsentForm asks for consent inside a page of the application. Every box is
// unticked: a tick is the person's own. Draw it with Frame.Embedded and serve it
// under [EmbedCSP].
type ConsentForm struct {
	// Token names the person to the server; it goes back unchanged.
	Token string
	// Notice is the version that is shown; it goes back too.
	Notice string
	Offers []Offer
	// NoticeLink leads to the whole notice, in a tab of its own. Optional.
	NoticeLink string
	// AskAge asks how old the person is (GDPR Art. 8); Age says what was wrong with the
	// answer when the form came back.
	AskAge bool
	Age    AgeFault
}

func (ConsentForm) about() about { return about{name: "consentform", title: "consentform.title"} }

// An Offer is a purpose that the person may agree to.
type Offer struct {
	// ID goes into the form; it is not shown.
	ID                   string
	Title, Text, Benefit string
	// Sensitive says that it is about data that the law protects most.
	Sensitive bool
	// Ticked: the form came back, and the person had ticked the box themself. A box that is
	// shown for the first time is never ticked.
	Ticked bool
}

// ConsentReceipt says what was recorded.
type ConsentReceipt struct {
	// Agreed and Declined are titles.
	Agreed, Declined []string
	// Receipt leads to the signed proof. Optional.
	Receipt string
	// Panel leads to where the person can change it later. Optional.
	Panel string
}

func (ConsentReceipt) about() about {
	return about{name: "consentreceipt", title: "consentreceipt.title"}
}
