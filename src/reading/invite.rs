//! Invitations to meetings (RFC 5545, RFC 5546), as far as a page says them: what, when, where, who.
//!
//! Nothing is accepted or answered here. calcard reads the calendar; its words are bounded, and shown
//! as text like all others.

use super::{bounded, line};
use calcard::common::PartialDateTime;
use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarEntry, ICalendarMethod,
    ICalendarParameterName, ICalendarProperty, ICalendarValue,
};
use calcard::{Entry, Parser};
use std::panic::catch_unwind;

/// One meeting of a calendar.
#[derive(PartialEq)]
pub struct Invite {
    /// What the sender asks for.
    pub method: Method,
    /// What it is about.
    pub summary: String,
    /// Who holds it: an address, with a name where there is one.
    pub organizer: Option<Person>,
    /// Who is asked to come.
    pub attendees: Vec<Person>,
    /// When it begins.
    pub start: Option<Moment>,
    /// When it ends.
    pub end: Option<Moment>,
    /// Where it is, or a link to it.
    pub location: String,
    /// What else is said, at most 4 KiB.
    pub description: String,
    /// Whether it happens again and again.
    pub repeats: bool,
}

/// What an invitation asks for (RFC 5546 §1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Come, please; or: it has changed.
    Request,
    /// It will not happen.
    Cancel,
    /// Somebody answers.
    Reply,
    /// Anything else: to be read only.
    Publish,
}

/// Somebody of a meeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name, or nothing.
    pub name: String,
    /// The address.
    pub address: String,
    /// What the calendar says that they answered: `ACCEPTED`, `DECLINED`, ...; or nothing.
    pub answer: String,
}

/// A time as the calendar says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// `2026-11-22 14:30`, or `2026-11-22` for a whole day.
    pub text: String,
    /// The time zone: `UTC`, a name, or nothing for the reader's own.
    pub zone: String,
    /// Seconds since the Unix epoch, where the zone is known.
    pub unix: Option<i64>,
}

/// The meetings of a calendar.
pub(super) fn invites(calendar: &str) -> Vec<Invite> {
    if calendar.len() > MAX_CALENDAR {
        return Vec::new();
    }
    // A foreign parser on foreign bytes: one that panics has read nothing.
    catch_unwind(|| read(calendar)).unwrap_or_default()
}

fn read(calendar: &str) -> Vec<Invite> {
    let Entry::ICalendar(calendar) = Parser::new(calendar).entry() else { return Vec::new() };
    let method = method(&calendar);
    let events =
        calendar.components.iter().filter(|one| one.component_type == ICalendarComponentType::VEvent);
    events.take(MAX_EVENTS).map(|event| invite(&calendar, method, event)).collect()
}

fn invite(calendar: &ICalendar, method: Method, event: &ICalendarComponent) -> Invite {
    let text = |property| event.property(&property).map(words).unwrap_or_default();
    let moment = |property| event.property(&property).and_then(|entry| moment(calendar, entry));
    Invite {
        method,
        summary: line(&text(ICalendarProperty::Summary), MAX_LINE),
        organizer: event.property(&ICalendarProperty::Organizer).map(person),
        attendees: event.properties(&ICalendarProperty::Attendee).take(MAX_PEOPLE).map(person).collect(),
        start: moment(ICalendarProperty::Dtstart),
        end: moment(ICalendarProperty::Dtend),
        location: line(&text(ICalendarProperty::Location), MAX_LINE),
        description: bounded(&text(ICalendarProperty::Description), MAX_DESCRIPTION),
        repeats: event.property(&ICalendarProperty::Rrule).is_some(),
    }
}

fn method(calendar: &ICalendar) -> Method {
    let root = calendar.components.first();
    let entry = root.and_then(|root| root.property(&ICalendarProperty::Method));
    match entry.and_then(|entry| entry.values.first()) {
        Some(ICalendarValue::Method(ICalendarMethod::Request)) => Method::Request,
        Some(ICalendarValue::Method(ICalendarMethod::Cancel)) => Method::Cancel,
        Some(ICalendarValue::Method(ICalendarMethod::Reply)) => Method::Reply,
        _ => Method::Publish,
    }
}

fn words(entry: &ICalendarEntry) -> String {
    let texts: Vec<&str> = entry.values.iter().filter_map(ICalendarValue::as_text).collect();
    texts.join(", ")
}

fn person(entry: &ICalendarEntry) -> Person {
    let parameter = |name| entry.parameter(&name).and_then(|value| value.as_text()).unwrap_or_default();
    Person {
        name: line(parameter(ICalendarParameterName::Cn), MAX_LINE),
        address: line(entry.calendar_address().unwrap_or_default(), MAX_LINE),
        answer: line(parameter(ICalendarParameterName::Partstat), MAX_LINE),
    }
}

fn moment(calendar: &ICalendar, entry: &ICalendarEntry) -> Option<Moment> {
    let time = entry.values.first()?.as_partial_date_time()?;
    let text = shown(time)?;
    let named = entry.tz_id();
    let zone = match named {
        Some(name) => line(name, MAX_LINE),
        None if time.has_zone() => "UTC".to_owned(),
        None => String::new(),
    };
    let unix = match named {
        Some(name) => calendar
            .build_tz_resolver()
            .resolve(name)
            .and_then(|zone| time.to_date_time_with_tz(zone))
            .map(|time| time.timestamp()),
        None if time.has_zone() => time.to_timestamp(),
        None => None,
    };
    Some(Moment { text, zone, unix })
}

fn shown(time: &PartialDateTime) -> Option<String> {
    let day = format!("{:04}-{:02}-{:02}", time.year?, time.month?, time.day?);
    match (time.hour, time.minute) {
        (Some(hour), Some(minute)) => Some(format!("{day} {hour:02}:{minute:02}")),
        _ => Some(day),
    }
}

/// Octets of a calendar.
const MAX_CALENDAR: usize = 256 << 10;
/// Meetings that are shown.
const MAX_EVENTS: usize = 20;
/// People of a meeting.
const MAX_PEOPLE: usize = 200;
/// Octets of a summary, a place, a name.
const MAX_LINE: usize = 512;
/// Octets of a description.
const MAX_DESCRIPTION: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:REQUEST\r\n\
        BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:Budget\\, and <b>\r\n\
        DTSTART;TZID=Europe/Berlin:20260701T140000\r\nDTEND:20260701T130000Z\r\n\
        LOCATION:Room 1\r\nDESCRIPTION:one\\ntwo\r\nORGANIZER;CN=Ann:mailto:ann@example.org\r\n\
        ATTENDEE;PARTSTAT=NEEDS-ACTION;CN=\"Bob, B.\":MAILTO:bob@example.org\r\n\
        RRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

    #[test]
    fn an_invitation_says_what_when_where_and_who() {
        let [invite] = &invites(REQUEST)[..] else { panic!("one meeting") };
        assert_eq!(invite.method, Method::Request);
        assert_eq!(invite.summary, "Budget, and <b>");
        assert_eq!(invite.location, "Room 1");
        assert_eq!(invite.description, "one\ntwo");
        let start = invite.start.as_ref().expect("a start");
        assert_eq!((start.text.as_str(), start.zone.as_str()), ("2026-07-01 14:00", "Europe/Berlin"));
        assert_eq!(start.unix, Some(1_782_907_200));
        let end = invite.end.as_ref().expect("an end");
        assert_eq!((end.text.as_str(), end.zone.as_str()), ("2026-07-01 13:00", "UTC"));
        assert_eq!(end.unix, Some(1_782_910_800));
        assert_eq!(invite.organizer.as_ref().expect("somebody").address, "ann@example.org");
        assert_eq!(invite.attendees[0].name, "Bob, B.");
        assert_eq!(invite.attendees[0].address, "bob@example.org");
        assert_eq!(invite.attendees[0].answer, "NEEDS-ACTION");
        assert!(invite.repeats);
    }

    #[test]
    fn hostile_calendars_are_bounded() {
        let many = format!("BEGIN:VCALENDAR\r\n{}", "BEGIN:VEVENT\r\nSUMMARY:x\r\n".repeat(5_000));
        assert_eq!(invites(&many).len(), MAX_EVENTS);
        for odd in [
            "",
            "BEGIN:VCALENDAR",
            "BEGIN:VCARD\r\nEND:VCARD",
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:99999999T999999Z\r\nDTSTART;TZID=X:00000000\r\nEND:VEVENT",
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;TZID=Europe/Berlin:20260329T023000\r\nRRULE:FREQ=;;=,",
            "\0\u{feff}BEGIN:VCALENDAR\r\n;;;:::\r\n \r\n\t\r\nBEGIN:\r\n",
        ] {
            let _ = invites(odd);
        }
        assert!(invites(&"x".repeat(MAX_CALENDAR + 1)).is_empty());
    }

    #[test]
    fn controls_and_turned_text_do_not_show() {
        let calendar = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:a\u{202e}b\u{7}\\nc\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        assert_eq!(invites(calendar)[0].summary, "ab c");
    }
}
