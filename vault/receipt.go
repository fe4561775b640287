package vault

import (
	"strconv"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/consent"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// notStated stands in a receipt for what the standard asks for and the notice does not say.
const notStated = "not stated in the notice"

// describe is the receipt: what the person decided, about what, on which notice.
func (r *consenting) describe(p *Subject, e *audit.Event) *evidence.Receipt {
	who := controllerOf(r.shown, r.t.row.Name)
	told, _ := r.shown.Purpose(string(r.event.Purpose))
	words, language := told.In(r.d.Language, r.shown.Language)
	text, _ := r.shown.Notice(told.ID, r.d.Language)
	why := evidence.Purpose{
		Purpose: r.event.Purpose, Version: int64(told.Version), Title: words.Title,
		Description: words.Text, Benefit: words.Benefit, LawfulBasis: accessctl.Basis(told.Basis),
		PII: uses(r.shown, told.ID, language), Controllers: []string{"controller"}, Recipients: told.Recipients,
		StorageLocations: who.StorageLocations, RetentionPeriod: "until the person is erased", Jurisdiction: who.Jurisdiction,
		WithdrawalMethod: "the same call or the person's control panel, with the decision withdrawn",
		PrivacyRights:    "access, copy, correction, erasure, restriction and objection: in the person's control panel or at the controller's contact",
	}
	if told.Retention > 0 {
		why.RetentionPeriod = "P" + strconv.Itoa(int(told.Retention)) + "D"
	}
	return &evidence.Receipt{
		Header: evidence.Header{
			ReceiptID: r.v.newID(), RecordID: r.v.newID(), PrincipalID: "urn:uuid:" + p.UID.String(), Tenant: r.t.row.Name,
		},
		Processing: evidence.Processing{
			Notice:   evidence.Notice{Version: r.event.Notice, Hash: evidence.HashNotice([]byte(text))},
			Language: language, Purposes: []evidence.Purpose{why},
		},
		Parties: []evidence.Party{{ID: "controller", Name: who.Name, Address: who.Address, Contact: who.Contact, Type: "controller"}},
		Events: []evidence.Decision{{
			Time: r.event.At, ValidUntil: r.event.Expires, Entity: e.Actor, Type: r.kind(), Method: r.event.Method,
			State: string(r.event.Decision),
		}},
		AuditEvent: e.ID, IssuedAt: r.event.At,
	}
}

// controllerOf is who answers for the processing, as the notice says; of a notice that
// names nobody, the tenant.
func controllerOf(shown *catalog.Catalog, tenant string) catalog.Controller {
	who := catalog.Controller{Name: tenant}
	if shown.Controller != nil {
		who = *shown.Controller
	}
	who.Contact, who.Address = orText(who.Contact, notStated), orText(who.Address, notStated)
	who.Jurisdiction = orText(who.Jurisdiction, notStated)
	if len(who.StorageLocations) == 0 {
		who.StorageLocations = []string{notStated}
	}
	return who
}

// kind says how the decision was made, in a receipt.
func (r *consenting) kind() string {
	switch {
	case r.event.Decision == consent.Objected:
		return "objection"
	case r.event.Decision == consent.Overruled:
		return "overruling"
	case r.event.Method == consent.MethodGPC:
		return "signal"
	case r.d.Guardian:
		return "guardian"
	}
	return "explicit"
}

// uses lists what a purpose reads, as a receipt says it.
func uses(cat *catalog.Catalog, purpose, language string) []evidence.PII {
	list := []evidence.PII{}
	for _, f := range cat.Uses(purpose) {
		list = append(list, evidence.PII{
			Type: f.Collection() + "." + f.Name, Title: f.TitleIn(language), Category: f.Classification,
			Sensitive: f.Classification == catalog.ClassificationSpecial,
		})
	}
	return list
}
