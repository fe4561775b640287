package accessctl_test

import (
	"fmt"

	"github.com/fieldvault/fieldvault/accessctl"
)

// A support agent asks, for the purpose support, which rests on a contract: the
// address is masked. For marketing, which rests on consent, it is hidden until
// the person agrees.
func Example() {
	policy, err := accessctl.ParsePolicy(1, []byte(`
		@id("support-sees-contacts-masked")
		permit (principal in Role::"support", action == Action::"reveal_masked", resource in Classification::"contact");`))
	if err != nil {
		fmt.Println(err)
		return
	}
	agent := accessctl.Principal{Tenant: "default", Issuer: "https://id.example.org", Subject: "agent-7", Roles: []accessctl.Role{"support"}}
	email := accessctl.Field{Collection: "customer", Name: "email", Classification: "contact", Listed: true}

	support := policy.For(accessctl.Caller{Principal: agent, Purpose: "support"},
		accessctl.PurposeFacts{Known: true, Basis: accessctl.BasisContract})
	d := support.Reveal(email, accessctl.State{})
	fmt.Println(d.View, d.Policies)

	marketing := policy.For(accessctl.Caller{Principal: agent, Purpose: "marketing"},
		accessctl.PurposeFacts{Known: true, Basis: accessctl.BasisConsent})
	d = marketing.Reveal(email, accessctl.State{Consent: accessctl.ConsentWithdrawn})
	fmt.Println(d.View, d.Reason)
	d = marketing.Reveal(email, accessctl.State{Consent: accessctl.ConsentGranted})
	fmt.Println(d.View)
	// Output:
	// masked [support-sees-contacts-masked]
	// hidden consent
	// masked
}
