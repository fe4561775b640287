// Package page draws the web pages of the portal: view models in, HTML out.
//
// A caller makes one [Pages] with [New] and hands it a [Frame] and a [Page], which
// is one of the view models here. The package reads and writes nothing, decides
// nothing and keeps nothing: what a model says is what is shown. All strings of a
// model are data; html/template escapes them, so markup in them shows as text.
//
// Every page works without scripts. Pages have no style attributes, no inline
// scripts and no handlers, and load nothing but [Pages.Assets], so that they can be
// served under [CSP]. The consent form alone, which the application's own pages
// hold in a frame, needs [EmbedCSP].
//
// Forms are POSTs to the paths that [Routes] lists, with the fields that it names.
// Two forms of the console only ask, and are GETs: who may see what, and which entries
// of the log to show. No form holds a token against forgery: the server refuses
// requests from other origins (net/http.CrossOriginProtection).
//
// The operators' console has models of its own, whose names begin with Console. A frame
// with an Operator is one of its pages: header, navigation and ways out are the console's.
// Values that people and operators name differently have two keys of words.
//
// Words come from messages/<language>/*.json, one file for each part of the portal.
// A key's value is a sentence with named placeholders, or such a sentence for each
// plural form of the language. Templates take them with {{t "key" "name" value}}
// and {{n "key" count "name" value}}. A key or a placeholder that is missing is an
// error of Render, and the tests draw every page in every language.
//
// Times are shown in the location that they carry.
package page
