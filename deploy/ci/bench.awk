# Reads a comparison of benchstat, as CSV, and prints a line for each benchmark that
# got slower by more than limit percent, or whose allocations changed by 2 percent or
# its bytes by 10: if benchstat takes the difference for one (p < 0.05).
#
# A machine that is busier than it was makes everything slower. So a time counts only
# if its interval lies above the baseline's, and with 20 rows or more above the median
# of all of them besides, which is printed. Times of another CPU (was, is) are not
# compared.

/^pkg: / {
	pkg = $0
	sub(/^pkg: github.com\/fieldvault\/fieldvault\//, "", pkg)
}
/^,(baseline|now),/ {
	both = $4 == "now" # else a package that only one run had
	alone = $2 == "now"
}
/^,/ { unit = $2 }
/^[^,:]+,/ && $1 != "geomean" {
	name = pkg " " $1
	if (unit == "sec/op" && (alone || both && $2 == "")) fresh = fresh sprintf("\n  new      %-44s %10s", name, clock(alone ? $2 : $4))
	if (unit == "sec/op" && both && $4 == "") fresh = fresh "\n  gone     " name
	if (!both || $2 == "" || $4 == "") next
	if (unit == "sec/op" && was == is && $2 > 0) {
		names[++n] = name
		old[n] = $2
		new[n] = $4
		sure[n] = ($6 != "~")
		most[n] = $2 * (1 + interval($3))
		least[n] = $4 * (1 - interval($5))
	}
	if (unit == "allocs/op" && $6 != "~" && changed($2, $4, 2)) more = more line("allocs", name, $2, $4, $2, $4)
	if (unit == "B/op" && $6 != "~" && changed($2, $4, 10)) more = more line("bytes", name, $2, $4, $2, $4)
}
END {
	middle = n >= 20 ? median() : 1
	busy = middle > 1 ? middle : 1
	for (i = 1; i <= n; i++)
		if (sure[i] && least[i] > most[i] * busy && new[i] > old[i] * busy * (1 + limit / 100))
			slow = slow line("slower", names[i], clock(old[i]), clock(new[i]), old[i], new[i])
	if (was != is)
		printf "bench: the baseline is of another machine (%s)\n", was
	else if (middle > 1.05)
		printf "bench: the median takes %.2f times as long as in the baseline: the machine is busier, or everything got slower\n", middle
	printf "bench: %s\n", slow != "" ? "slower:" slow : was == is ? "nothing got slower" : "times are not compared"
	if (more != "") printf "bench: other allocations:%s\n", more
	if (fresh != "") printf "bench: not in both:%s\n", fresh
}

# interval is a confidence interval such as 3%, as a share; of too few rounds, everything.
function interval(text) { return text ~ /%$/ ? (text + 0) / 100 : 1 }

# changed says whether two figures differ by so many percent.
function changed(a, b, percent) { return a == 0 ? b > 0 : (b > a ? b - a : a - b) >= a * percent / 100 }

function line(kind, name, a, b, x, y) {
	return sprintf("\n  %-8s %-44s %10s -> %-10s %s", kind, name, a, b, x == 0 ? "" : sprintf("%+.0f %%", (y / x - 1) * 100))
}

function clock(s) {
	if (s < 1e-6) return sprintf("%.4g ns", s * 1e9)
	if (s < 1e-3) return sprintf("%.4g us", s * 1e6)
	return sprintf("%.4g ms", s * 1e3)
}

# median is that of new over old.
function median(i, j, r, all) {
	for (i = 1; i <= n; i++) {
		r = new[i] / old[i]
		for (j = i - 1; j > 0 && all[j] > r; j--) all[j + 1] = all[j]
		all[j + 1] = r
	}
	return n % 2 ? all[(n + 1) / 2] : (all[n / 2] + all[n / 2 + 1]) / 2
}
