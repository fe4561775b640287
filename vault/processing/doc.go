// Package processing writes what the law wants to have in writing about processing:
// the record of processing activities and a draft of the impact assessment, from what
// is enforced, the catalog and the policy.
//
// It is pure: no clock, no storage, no personal data. The same [Input] gives the same
// bytes, whatever the order of the policies in their text and whatever number the
// catalog has as applied, so that a copy can be committed and compared ([Compare]).
//
// # Where it comes from
//
//   - [Article30] is the record of GDPR (Regulation (EU) 2016/679) Art. 30(1): (a) name
//     and contact of the controller, (b) the purposes, (c) categories of people and of
//     personal data, (d) categories of recipients, (e) transfers to third countries,
//     (f) time limits for erasure, (g) a general description of the measures of Art. 32(1).
//     Each purpose of the catalog is an activity.
//   - [Assess] is a draft for GDPR Art. 35: (1) an assessment where a high risk is likely,
//     (3) the cases where it always is, (7) its contents: (a) the processing and its
//     purposes, (b) necessity and proportionality, (c) the risks to people, (d) the
//     measures against them. Whether one is needed is asked along the nine criteria of
//     the Guidelines on Data Protection Impact Assessment, WP 248 rev.01, section III.B:
//     of processing that meets two of them it is to be assumed in most cases.
//
// # Who sees what
//
// That is not read from the text of the policy: the policy is asked, for every role that
// it mentions, a caller without any, and each two roles together, for every purpose and
// field, of a person in the ideal state, who consents and is not restricted. A forbid
// therefore counts as it does in the service. A role that gets nothing is left out.
//
// # What is not known
//
// What the law wants and the catalog, the policy or the facts of the installation do not
// say is an [OpenItem] and never left out in silence. In an assessment, what only people
// can judge is a place marked TO FILL IN. Nothing here is legal advice.
package processing
