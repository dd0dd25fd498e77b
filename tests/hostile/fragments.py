"""Pieces of JSON that readers trip over, as they are written: no Python value could hold most of them."""

NUMBERS = (
    *("0", "-0", "1", "-1", "01", "1.", ".5", "+5", "--1", "1.5", "0.0000001", "1.0000001", "999999999999.999999"),
    *("1e0", "100e-2", "1E+12", "1e13", "1e999", "-1e999", "1e-400", "1e", "1e+", "1e999999999", "1e-999999999"),
    *("1e9999999999999999999999", "0e999999999", "0e-999999999", "0x10", "NaN", "Infinity", "-Infinity", "1_000"),
    *("9007199254740993", "9223372036854775808", "18446744073709551616", "1" + "0" * 400, "9" * 5_000),
    *("0." + "0" * 400 + "1", "1." + "0" * 400, "1000000000000000", "1000000000000001"),
)
"""Numbers, and what some take for numbers."""

DECIMAL_TEXTS = (
    *('"1.5"', '"1e3"', '"1E+12"', '"1e-400"', '"0x10"', '"NaN"', '"sNaN"', '"-NaN"', '"nan123"', '"Infinity"'),
    *('"1_000"', '" 5 "', '"5\\n"', '"\\u0661"', '"\\ud835\\udfcf"', '"+5"', '"-0"', '"5."', '".5"', '"1,5"', '""'),
    *(
        '"1e999999999"',
        '"0e999999999"',
        '"0e-999999999"',
        '"1\\u0000"',
        '"0.000001"',
        '"0.0000001"',
        '"' + "9" * 70 + '"',
    ),
)
"""Decimal text, well written or not."""

TIMES = (
    *('"2025-11-22T12:00:00Z"', '"2025-11-22T12:00:60Z"', '"2025-11-22T23:59:60Z"', '"2025-11-22T24:00:00Z"'),
    *(
        '"0000-01-01T00:00:00Z"',
        '"0001-01-01T00:00:00+23:59"',
        '"9999-12-31T23:59:59-23:59"',
        '"10000-01-01T00:00:00Z"',
    ),
    *('"9999-12-31T23:59:59.9999999Z"', '"-2025-11-22T12:00:00Z"', '"+2025-11-22T12:00:00Z"', '"2025-02-29T12:00:00Z"'),
    *('"2025-11-22T12:00:00+99:99"', '"2025-11-22T12:00:00+24:00"', '"2025-11-22T12:00:00+23:60"', '"P1D"', '"now"'),
    *('"2025-11-22T12:00:00-00:00"', '"2025-11-22T12:00:00+0100"', '"2025-11-22T12:00:00+01"', '"2025-11-22T12:00:00"'),
    *('"2025-W47-6T12:00:00Z"', '"2025-326T12:00:00Z"', '"20251122T120000Z"', '"2025-11-22T12:00Z"', '"1763812800"'),
    *('"2025-11-22T12:00:00.1234565Z"', '"2025-11-22T12:00:00,5Z"', '"2025-11-22T12:00:00.Z"', "1763812800"),
    *(
        '"2025-11-22 12:00:00z"',
        '" 2025-11-22T12:00:00Z"',
        '"2025-11-22T12:00:00Z\\u0000"',
        '"\uff12\uff10\uff12\uff15-11-22T12:00:00Z"',
    ),
)
"""Moments that do not exist, and moments in other clothes."""

TEXTS = (
    *(
        '""',
        '" "',
        '"acme"',
        '"\\u0000"',
        '"\\u0000acme"',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\uD800x"',
    ),
    *('"\x00"', '"\n"', '"\\q"', '"\\u00"', '"\\u{41}"', '"\u2028"', '"\uffff"', '"e\u0301"', '"\u202e"', '"é"', "'x'"),
    *('"x', '"\\', '"../../etc/passwd"', '"\'; DROP TABLE charges; --"', '"{{7*7}}"', '"%s%n"', '"=1+1"'),
    *('"' + "n" * 256 + '"', '"' + "n" * 257 + '"', '"' + "é" * 257 + '"', '"\ufeff"', '"api"', '"API"', '"grant"'),
    *('"keep"', '"owe"', '"waive"', '"off"', '"once"', '"billed"', '"carried"', '"enforce"', '"void_event"'),
    *('"activate_plan"', '"set_policy"', '"on_payment"', '"period_end"'),
    *('"top_up"', '"EUR"', '"EUR\\n"', '"creditstream.usage"', '"creditstream.command"', '"1.0"', '"1.00"'),
)
"""Text that is empty, odd, half, too long, or means something to somebody else."""

STRUCTURES = (
    *("null", "true", "false", "True", "None", "undefined", "[]", "{}", "[1,]", '{"a":1,}', '{"a":1,"a":2}', "{1:2}"),
    *("[" * 200 + "]" * 200, '{"a":' * 200 + "1" + "}" * 200, "[" * 50, "]" * 50, '{"":{"":{"":""}}}', "/**/1"),
)
"""Everything that is no scalar, and words that are no JSON."""

FRAGMENTS = (*NUMBERS, *DECIMAL_TEXTS, *TIMES, *TEXTS, *STRUCTURES)

NAMES = (
    *("specversion", "type", "id", "source", "subject", "time", "data", "datacontenttype", "unknown"),
    *("agent", "conversation", "channel", "node", "quantity"),
    *("kind", "grant", "credits", "reason", "payment", "reference", "amount_minor", "currency"),
    *("priority", "effective_at", "expires_at", "spent", "event", "partition", "offset", "adjustment", "actor"),
    *("plan", "included_credits", "anchor_day", "rollover", "cap_credits", "periods", "overage", "mode", "price_minor"),
    *("limit_credits", "renews", "fee_minor", "rate_card_line", "rate_card", "at", "period", "thresholds", "percent"),
    *("refill", "below_credits", "most_credits", "most_requests", "request", "retry"),
    *("version", "prices", "line", "published_at", "reprice", "withdrawn"),
    *("unit", "tiers", "minimum_credits", "counts_as_message", "credits_per_unit", "up_to"),
)
"""Every name that a reader knows, and one that none does."""
