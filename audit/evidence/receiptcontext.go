package evidence

import (
	"bytes"
	"encoding/json"
)

// receiptContext maps the members of a receipt to the Data Privacy Vocabulary, as the
// guide "Consent Records and Receipts as per ISO/IEC TS 27560:2023 using DPV" does. The
// header and the processing have no term of their own there: JSON-LD 1.1 reads what is
// in them as if it stood above. Members without a line are not part of the graph. An
// objection is no state of a consent: its event bears the type of what was done, and
// the top term of the legal bases.
const receiptContext = `{
"dct": "http://purl.org/dc/terms/",
"dpv": "https://w3id.org/dpv#",
"dpv-27560": "https://w3id.org/dpv/schema/dpv-27560#",
"xsd": "http://www.w3.org/2001/XMLSchema#",
"header": "@nest",
"processing": "@nest",
"schema_version": {"@id": "dct:conformsTo", "@type": "@id"},
"receipt_id": "dpv:hasIdentifier",
"record_id": "dct:identifier",
"pii_principal_id": "dpv:hasDataSubject",
"privacy_notice": {"@id": "dpv:hasNotice", "@context": {"version": "dct:identifier", "uri": "dct:source"}},
"language": "dct:language",
"purposes": "dpv:hasProcess",
"purpose": "dpv:hasPurpose",
"title": "dct:title",
"purpose_description": "dct:description",
"lawful_basis": {"@id": "dpv:hasLegalBasis", "@type": "@vocab", "@context": {
  "consent": "dpv:Consent", "contract": "dpv:Contract", "legal_obligation": "dpv:LegalObligation",
  "vital_interests": "dpv:VitalInterest", "public_task": "dpv:PublicInterest", "legitimate_interests": "dpv:LegitimateInterest"}},
"pii_information": "dpv:hasPersonalData",
"pii_type": "dpv:hasPersonalData",
"pii_controllers": "dpv:hasDataController",
"recipient_third_parties": "dpv:hasRecipient",
"storage_locations": "dpv:hasStorageCondition",
"retention_period": "dpv:hasStorageCondition",
"jurisdiction": "dpv:hasJurisdiction",
"withdrawal_method": "dpv:hasConsentControl",
"privacy_rights": "dpv:hasRight",
"party_identification": {"@id": "dpv:hasEntity", "@context": {
  "party_type": "@type", "controller": "dpv:DataController", "processor": "dpv:DataProcessor",
  "third_party": "dpv:ThirdParty", "authority": "dpv:Authority"}},
"party_id": "dpv:hasIdentifier",
"party_name": "dpv:hasName",
"party_address": "dpv:hasAddress",
"party_contact": "dpv:hasContact",
"event": {"@id": "dpv:hasConsentStatus", "@context": {
  "event_state": "@type", "granted": "dpv:ConsentGiven", "refused": "dpv:ConsentRefused",
  "withdrawn": "dpv:ConsentWithdrawn", "objected": "dpv:ObjectingToProcess", "overruled": "dpv:CannotObjectToProcess",
  "event_type": {"@id": "dpv:hasLegalBasis", "@type": "@vocab"},
  "explicit": "dpv:ExplicitlyExpressedConsent", "guardian": "dpv:ExplicitlyExpressedConsent",
  "signal": "dpv:ExpressedConsent", "objection": "dpv:LegalBasis", "overruling": "dpv:LegalBasis"}},
"event_time": {"@id": "dpv:isIndicatedAtTime", "@type": "xsd:dateTime"},
"validity_duration": "dpv:hasDuration",
"valid_until": {"@id": "dct:valid", "@type": "xsd:dateTime"},
"entity_id": "dpv:isIndicatedBy",
"event_method": "dpv:hasIndicationMethod",
"issued_at": {"@id": "dct:created", "@type": "xsd:dateTime"}
}`

// receiptContextV1 is that of receipts of receiptTypeV1.
const receiptContextV1 = `{
"dct": "http://purl.org/dc/terms/",
"dpv": "https://w3id.org/dpv#",
"dpv-27560": "https://w3id.org/dpv/schema/dpv-27560#",
"header": "@nest",
"processing": "@nest",
"event": "@nest",
"party_identification": "dpv:hasEntity",
"party_id": "dpv:hasIdentifier",
"party_name": "dpv:hasName",
"party_address": "dpv:hasAddress",
"party_contact": "dpv:hasContact",
"schema_version": "dct:conformsTo",
"record_id": "dpv:hasIdentifier",
"pii_principal_id": "dpv:hasDataSubject",
"privacy_notice": "dpv:hasNotice",
"language": "dct:language",
"purposes": "dpv:hasPurpose",
"lawful_basis": "dpv:hasLegalBasis",
"pii_information": "dpv:hasPersonalData",
"pii_controllers": "dpv:hasDataController",
"recipient_third_parties": "dpv:hasRecipient",
"event_state": "dpv:hasConsentStatus",
"issued_at": "dct:issued"
}`

// sameContext says whether raw and want are the same JSON.
func sameContext(raw json.RawMessage, want string) bool {
	a, err := canonicalise(raw)
	if err != nil {
		return false
	}
	b, err := canonicalise([]byte(want))
	return err == nil && bytes.Equal(a, b)
}
