//! Points in time and durations as people write them for `--to-datetime` and `--by-duration` (ISO 8601), in milliseconds.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// `2017-09-01T12:30:45.123`, with `Z` or an offset; UTC without.
pub fn datetime(text: &str) -> Result<i64, String> {
    let wrong = |why: &str| format!("java.text.ParseException: {why}");
    let Some((date, time)) = text.split_once('T') else {
        return Err(wrong("Error parsing timestamp. It does not contain a 'T' according to ISO8601 format"));
    };
    let unparseable = || wrong(&format!("Unparseable date: \"{text}\""));
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at_checked(zone_at).ok_or_else(unparseable)?;
    let offset = zone_minutes(zone).ok_or_else(unparseable)?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (Some(Some(year)), Some(Some(month)), Some(Some(day))) = (date.next(), date.next(), date.next())
    else {
        return Err(unparseable());
    };
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let clock: Option<Vec<i64>> = clock.split(':').map(|part| part.parse::<i64>().ok()).collect();
    let (hours, minutes, seconds) = match clock.as_deref() {
        Some([hours, minutes]) => (*hours, *minutes, 0),
        Some([hours, minutes, seconds]) => (*hours, *minutes, *seconds),
        _ => return Err(unparseable()),
    };
    let millis: i64 =
        format!("{fraction:0<3}").get(..3).and_then(|text| text.parse().ok()).ok_or_else(unparseable)?;
    let fits = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (1970..=9999).contains(&year)
        && (0..24).contains(&hours)
        && (0..60).contains(&minutes)
        && (0..61).contains(&seconds);
    if !fits {
        return Err(unparseable());
    }
    let minutes = (days(year, month, day) * 24 + hours) * 60 + minutes - offset;
    Ok((minutes * 60 + seconds) * 1000 + millis)
}

fn zone_minutes(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes): (i64, i64) = match digits.len() {
        2 => (digits.parse().ok()?, 0),
        4 => (digits.get(..2)?.parse().ok()?, digits.get(2..)?.parse().ok()?),
        _ => return None,
    };
    Some(sign * (hours * 60 + minutes))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // years begin in March, so that the leap day is the last
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year / 4 - year / 100 + year / 400;
    year * 365 + leaps + (month * 306 + 5) / 10 + day - 1 - 719_468
}

/// `P1DT2H30M5.5S`, any part may be negative.
pub fn duration(text: &str) -> Result<i64, String> {
    parse_duration(text).ok_or_else(|| "Text cannot be parsed to a Duration".to_owned())
}

fn parse_duration(text: &str) -> Option<i64> {
    let upper = text.to_ascii_uppercase();
    let (sign, rest) = match upper.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, upper.strip_prefix('+').unwrap_or(&upper)),
    };
    let rest = rest.strip_prefix('P')?;
    let (date, time) = rest.split_once('T').map_or((rest, None), |(date, time)| (date, Some(time)));
    let mut total = 0.0;
    let mut parts = 0;
    for (part, units) in [(date, "D"), (time.unwrap_or(""), "HMS")] {
        let mut number = String::new();
        for letter in part.chars() {
            if units.contains(letter) {
                let seconds = match letter {
                    'D' => 86_400.0,
                    'H' => 3600.0,
                    'M' => 60.0,
                    _ => 1.0,
                };
                total += number.parse::<f64>().ok()? * seconds;
                number.clear();
                parts += 1;
            } else {
                number.push(letter);
            }
        }
        if !number.is_empty() {
            return None;
        }
    }
    let time_without_parts = time.is_some_and(str::is_empty);
    (parts > 0 && !time_without_parts).then_some((sign * total * 1000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time() {
        for (text, expected) in [
            ("1970-01-01T00:00:00.000", Some(0)),
            ("2020-02-29T12:30:45.678", Some(1_582_979_445_678)),
            ("2020-02-29T12:30:45Z", Some(1_582_979_445_000)),
            ("2020-02-29T14:30:45.000+02:00", Some(1_582_979_445_000)),
            ("2020-02-29T12:30", Some(1_582_979_400_000)),
            ("2020-02-29", None),
            ("2020-13-01T00:00:00.000", None),
            ("xT", None),
        ] {
            assert_eq!(datetime(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("P1D", Some(86_400_000)),
            ("PT1H30M", Some(5_400_000)),
            ("PT0S", Some(0)),
            ("P1DT0.5S", Some(86_400_500)),
            ("-PT1M", Some(-60_000)),
            ("xx", None),
            ("P", None),
            ("P1DT", None),
            ("PT1", None),
        ] {
            assert_eq!(duration(text).ok(), expected, "{text}");
        }
    }
}
