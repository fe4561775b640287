package page

// area is a part of the portal with a navigation of its own.
type area int

const (
	areaNone    area = iota // no navigation
	areaPerson              // the person's control panel
	areaConsole             // the operators' console
)

// section is an entry of a navigation: the key of its words.
type section string

const (
	sectionData     section = "nav.data"
	sectionPurposes section = "nav.purposes"
	sectionHistory  section = "nav.history"
	sectionRequests section = "nav.requests"
	sectionDownload section = "nav.download"
	sectionPause    section = "nav.pause"
	sectionErase    section = "nav.erase"
)

// The entries of the console's navigation.
const (
	consoleToday      section = "console.nav.today"
	consoleRequests   section = "console.nav.requests"
	consolePeople     section = "console.nav.people"
	consoleApprovals  section = "console.nav.approvals"
	consoleReports    section = "console.nav.reports"
	consoleStatistics section = "console.nav.statistics"
	consoleCatalog    section = "console.nav.catalog"
	consoleExplain    section = "console.nav.explain"
	consoleKeys       section = "console.nav.keys"
	consoleAudit      section = "console.nav.audit"
)

// navItem is an entry of the navigation as it is drawn.
type navItem struct {
	Key, Path, Icon string
	Current         bool
}

// navigation lists the entries of an area; of the console, those that may be seen.
func navigation(a area, here section, may ConsoleMay) []navItem {
	var items []navItem
	switch a {
	case areaNone:
	case areaConsole:
		items = consoleItems(may)
	case areaPerson:
		items = []navItem{
			{Key: string(sectionData), Path: PathOverview, Icon: "data"},
			{Key: string(sectionPurposes), Path: PathPurposes, Icon: "purposes"},
			{Key: string(sectionHistory), Path: PathHistory, Icon: "history"},
			{Key: string(sectionRequests), Path: PathRequests, Icon: "requests"},
			{Key: string(sectionDownload), Path: PathDownload, Icon: "download"},
			{Key: string(sectionPause), Path: PathRestrict, Icon: "pause"},
			{Key: string(sectionErase), Path: PathErase, Icon: "erase"},
		}
	}
	for i := range items {
		items[i].Current = items[i].Key == string(here)
	}
	return items
}

// consoleItems lists the entries of the console that may be seen. The first always may.
func consoleItems(may ConsoleMay) []navItem {
	items := []navItem{{Key: string(consoleToday), Path: PathConsole, Icon: "today"}}
	for _, part := range []struct {
		may  bool
		item navItem
	}{
		{may.Requests, navItem{Key: string(consoleRequests), Path: PathConsoleRequests, Icon: "requests"}},
		{may.People, navItem{Key: string(consolePeople), Path: PathConsolePeople, Icon: "data"}},
		{may.Approvals, navItem{Key: string(consoleApprovals), Path: PathConsoleApprovals, Icon: "approve"}},
		{may.Reports, navItem{Key: string(consoleReports), Path: PathConsoleReports, Icon: "chart"}},
		{may.Statistics, navItem{Key: string(consoleStatistics), Path: PathConsoleStatistics, Icon: "statistics"}},
		{may.Catalog, navItem{Key: string(consoleCatalog), Path: PathConsoleCatalog, Icon: "file"}},
		{may.Explain, navItem{Key: string(consoleExplain), Path: PathConsoleExplain, Icon: "history"}},
		{may.Keys, navItem{Key: string(consoleKeys), Path: PathConsoleKeys, Icon: "key"}},
		{may.Audit, navItem{Key: string(consoleAudit), Path: PathConsoleAudit, Icon: "log"}},
	} {
		if part.may {
			items = append(items, part.item)
		}
	}
	return items
}
