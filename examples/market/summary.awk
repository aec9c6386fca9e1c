# One series of market.csv in short, as JSON: awk -v column=cpi -f summary.awk market.csv

BEGIN { FS = "," }

NR == 1 {
    for (i = 1; i <= NF; i++) {
        gsub(/["\r]/, "", $i)
        if ($i == column) field = i
    }
    if (!field) {
        printf "no column \"%s\" in %s\n", column, FILENAME > "/dev/stderr"
        failed = 1
        exit 2
    }
    next
}

{
    value = $field + 0
    if (!n++) first = min = max = value
    if (value < min) min = value
    if (value > max) max = value
    last = value
    # Welford's running moments: no cancellation, whatever the size of the values.
    delta = value - mean
    mean += delta / n
    squares += delta * (value - mean)
}

END {
    if (failed) exit 2
    printf "{\"column\": \"%s\", \"count\": %d, \"first\": %.10g, \"last\": %.10g, ", column, n, first, last
    printf "\"min\": %.10g, \"max\": %.10g, \"mean\": %.10g, \"sd\": %.10g}\n", min, max, mean, sqrt(squares / (n - 1))
}
