//! Dates as Java prints them, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// By a pattern of SimpleDateFormat: letters `yMdHhmsSa`, text in quotes, everything else as it is.
pub fn format(ms: i64, pattern: &str) -> String {
    let (year, month, day) = civil(ms.div_euclid(86_400_000));
    let of_day = ms.rem_euclid(86_400_000);
    let hour = of_day / 3_600_000;
    let mut out = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(letter) = rest.next() {
        if letter == '\'' {
            let quoted: String = rest.by_ref().take_while(|c| *c != '\'').collect();
            out.push_str(if quoted.is_empty() { "'" } else { &quoted });
            continue;
        }
        let mut width = 1;
        while rest.next_if_eq(&letter).is_some() {
            width += 1;
        }
        let value = match letter {
            'y' if width == 2 => year.rem_euclid(100),
            'y' => year,
            'M' => month,
            'd' => day,
            'H' => hour,
            'h' => (hour + 11) % 12 + 1,
            'm' => of_day / 60_000 % 60,
            's' => of_day / 1000 % 60,
            'S' => of_day % 1000,
            'a' => {
                out.push_str(if hour < 12 { "AM" } else { "PM" });
                continue;
            }
            other => {
                out.extend(std::iter::repeat_n(other, width));
                continue;
            }
        };
        out.push_str(&format!("{value:0width$}"));
    }
    out
}

/// Year, month and day of a day since 1970 (Howard Hinnant's days algorithm).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_javas() {
        for (ms, pattern, text) in [
            (0, "yyyy-MM-dd HH:mm:ss:SSS", "1970-01-01 00:00:00:000"),
            (1_795_266_386_948, "yyyy-MM-dd HH:mm:ss:SSS", "2026-11-21 13:06:26:948"),
            (951_782_400_000, "dd.MM.yy", "29.02.00"),
            (1_795_266_386_948, "h 'o''clock' a", "1 oclock PM"),
        ] {
            assert_eq!(format(ms, pattern), text);
        }
    }
}
