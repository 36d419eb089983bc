//! From the words of a call to candidate tags: what, where, when, who, how urgent.
//!
//! **One reading looks at the whole transcript so far and depends on nothing else**: the same
//! utterances give the same tags. A reading of ten minutes of talk takes milliseconds.
//! Words and their weights are in `src/lexicon/*.txt`, one file for each question; the modules here
//! say what their surroundings do to them. A gazetteer of the whole country knows 40,000 streets, of
//! which some are common words: give [`Gazetteer::in_city`] the hotline's city.

mod amount;
mod callback_time;
mod category;
mod confidential;
mod deadline;
mod description;
mod earlier_ticket;
mod emergency;
mod flags;
mod gazetteer;
mod kind;
pub(crate) mod lexicon;
mod local_time;
mod name;
mod number;
mod phone;
mod place;
mod plate;
mod reply;
mod respondent;
pub(crate) mod sounds;
mod third_person;
mod title;
pub(crate) mod transcript;
pub(crate) mod when;

pub use gazetteer::{Division, Gazetteer, GazetteerError, Place, PlaceKind, Resolved};
pub use local_time::LocalTime;
pub(crate) use number::{digit, number};
pub use place::{Location, LocationPart, PlaceLevel};

use crate::address::AddressModel;
use crate::classifier::TicketModel;
use crate::draft::{Field, Tag};
use crate::profile::{KindName, Profile};
use qingting_common::SegmentId;
use qingting_common::ids::Party;
use qingting_common::limits::TICKET_FIELD_CHARS_MAX;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};
use transcript::{Transcript, ends_clause};

/// From this confidence on a tag is meant to stand in the ticket by itself; below it is a
/// candidate that a seat may choose. Figures of the tests count tags from here on.
pub const CONFIDENCE_MIN: f32 = 0.5;

/// Longest value of a field that is one line.
const LINE_CHARS_MAX: usize = 200;

/// Most characters of one call that are read, the earliest first: about an hour of talk.
const CHARS_MAX: usize = 20_000;

/// One finished stretch of speech.
#[derive(Clone, Copy, PartialEq)]
pub struct Utterance<'a> {
    /// The segment.
    pub id: SegmentId,
    /// Who said it; only the caller's words fill fields.
    pub party: Party,
    /// What the seat reads of what was heard: simplified characters, numbers as they are written
    /// where that was safe, with errors.
    pub text: &'a str,
    /// The recogniser's confidence, 0 to 1.
    pub confidence: f32,
}

/// What is known of the call besides its words.
#[derive(Clone, PartialEq, Eq)]
pub struct CallContext {
    /// When the call began.
    pub started: LocalTime,
    /// The caller's number as presented by the trunk, if it was.
    pub caller: Option<String>,
    /// The number that was called.
    pub called: String,
    /// What the caller's last ticket became.
    pub last_ticket: LastTicket,
}

/// Where the last ticket of a caller went, as a person confirmed it; empty where there is none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LastTicket {
    /// 承办单位.
    pub unit: String,
    /// 事项分类: its path.
    pub category: String,
}

/// Reads transcripts. Built once and shared: reading changes nothing; the model alone can be replaced.
pub struct Reader {
    model: RwLock<Option<Arc<TicketModel>>>,
    place: place::Places,
    kind: kind::Kinds,
    emergency: emergency::Emergencies,
    flags: flags::Flags,
    phone: phone::Phones,
    when: when::Times,
    confidential: confidential::Wishes,
    respondent: respondent::Respondents,
    amount: amount::Amounts,
    plate: plate::Plates,
    earlier_ticket: earlier_ticket::EarlierTickets,
    callback_time: callback_time::CallbackTimes,
    /// The product's request types under the city's names.
    kind_names: Vec<KindName>,
    description: description::Descriptions,
}

impl Reader {
    /// Without a model no category and no unit is given; with an empty gazetteer places rest on
    /// their endings (路, 小区, 号) alone.
    pub fn new(model: Option<TicketModel>, gazetteer: Gazetteer) -> Self {
        Self {
            model: RwLock::new(model.map(Arc::new)),
            place: place::Places::new(gazetteer),
            kind: kind::Kinds::new(),
            emergency: emergency::Emergencies::new(),
            flags: flags::Flags::new(),
            phone: phone::Phones::new(),
            when: when::Times::new(),
            confidential: confidential::Wishes::new(),
            respondent: respondent::Respondents::new(),
            amount: amount::Amounts::new(),
            plate: plate::Plates::new(),
            earlier_ticket: earlier_ticket::EarlierTickets::new(),
            callback_time: callback_time::CallbackTimes::new(),
            kind_names: Vec::new(),
            description: description::Descriptions::new(),
        }
    }

    /// Adds a city's words and takes its names of request types. Its places are the gazetteer's business:
    /// [`Gazetteer::with_places`].
    #[must_use]
    pub fn with_profile(mut self, profile: &Profile) -> Self {
        self.emergency.add(&profile.words);
        self.flags.add(&profile.words);
        self.kind_names.clone_from(&profile.kinds);
        self
    }

    /// The request types under the city's names.
    pub fn kinds(&self) -> &[KindName] {
        &self.kind_names
    }

    /// Divides places by this model; without one by their endings alone.
    #[must_use]
    pub fn with_addresses(mut self, model: AddressModel) -> Self {
        self.place.addresses = Some(model);
        self
    }

    /// The levels of a place and the divisions in which it may lie.
    pub fn locate(&self, place: &str) -> Location {
        self.place.locate(place)
    }

    /// Readings that begin from now on use this model; one that is under way ends with its own.
    pub fn replace_model(&self, model: TicketModel) {
        let mut known = self.model.write().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::new(model));
    }

    fn model(&self) -> Option<Arc<TicketModel>> {
        self.model.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The surest place alone. With past tickets' texts as utterances a model learns of places what it is
    /// told of them in calls.
    pub fn place(&self, utterances: &[Utterance<'_>]) -> Option<String> {
        let talk = Transcript::of_caller(utterances, CHARS_MAX);
        self.place.read(&talk).into_iter().next().map(|tag| tag.value)
    }

    /// All candidates; those from [`CONFIDENCE_MIN`] on are meant to stand in the ticket. `utterances` are all finals of the call so
    /// far, in the order in which they were said.
    pub fn read(&self, utterances: &[Utterance<'_>], context: &CallContext) -> Vec<Tag> {
        let talk = Transcript::of_caller(utterances, CHARS_MAX);
        if talk.is_empty() {
            return Vec::new();
        }
        let places = self.place.read(&talk);
        let mut tags = Vec::new();
        let emergencies = self.emergency.read(&talk);
        let kinds = self.kind.read(&talk);
        let fallback = self.kind.fallback(&talk, &kinds, &emergencies);
        let said = |kind: &Tag| fallback.as_ref().is_none_or(|tag| tag.value != kind.value);
        tags.extend(kinds.into_iter().filter(said));
        tags.extend(fallback);
        let place = places.first().map_or("", |tag| tag.value.as_str());
        let model = self.model();
        tags.extend(model.iter().flat_map(|model| category::read(model, &talk, place, context)));
        tags.extend(emergencies);
        let flags = self.flags.read(&talk);
        tags.extend(deadline::read(&flags, context.started));
        tags.extend(flags);
        tags.extend(self.confidential.read(&talk));
        tags.extend(name::read(&talk));
        tags.extend(self.phone.read(&talk, context.caller.as_deref()));
        tags.extend(self.when.read(&talk, context.started));
        tags.extend(self.respondent.read(&talk));
        tags.extend(self.amount.read(&talk));
        tags.extend(self.plate.read(&talk));
        tags.extend(self.earlier_ticket.read(&talk, context.started));
        tags.extend(self.callback_time.read(&talk, context.started));
        tags.extend(places);
        let answers = answers(&talk, &tags);
        let (kind, place) = (surest(&tags, Field::AppealKind), surest(&tags, Field::Place));
        let matter = |range: &_| self.description.is_of_the_matter(&talk, range, &answers);
        let titles = title::read(&talk, &self.kind, place, matter);
        let description = self.description.read(&talk, kind, &answers);
        tags.extend(titles.into_iter().chain(description));
        let called = tags.into_iter().map(|tag| self.as_called(tag));
        called.filter_map(|tag| finished(tag, &talk)).collect()
    }

    fn as_called(&self, mut tag: Tag) -> Tag {
        if tag.field == Field::AppealKind {
            let name = self.kind_names.iter().find(|name| name.kind == tag.value);
            tag.value = name.map_or(tag.value, |name| name.name.clone());
        }
        tag
    }
}

/// Fields whose words tell who the caller is, not what the matter is.
const ANSWERS: [Field; 3] = [Field::CallerName, Field::Phone, Field::CallbackTime];

/// Longest explanation of how a name is written.
const SPELLING_CHARS_MAX: usize = 8;

/// Where the words of [`ANSWERS`] stand.
fn answers(talk: &Transcript<'_>, tags: &[Tag]) -> Vec<Range<usize>> {
    let of_answers = tags.iter().filter(|tag| ANSWERS.contains(&tag.field));
    let told = of_answers.flat_map(|tag| tag.evidence.iter().map(move |said| (tag, said)));
    told.filter_map(|(tag, said)| {
        let range = talk.range(said)?;
        let is_name = tag.field == Field::CallerName;
        Some(if is_name { with_spelling(&talk.chars, range, &tag.value) } else { range })
    })
    .collect()
}

/// 免贵姓陈耳东陈, 我姓马马到成功的马: with the explanation, which ends a clause with the character that it
/// explains.
fn with_spelling(chars: &[char], said: Range<usize>, name: &str) -> Range<usize> {
    let rest = lexicon::after(chars, &said, SPELLING_CHARS_MAX);
    let explained = |at: &usize| {
        let ends = chars.get(at + 1).is_none_or(|next| ends_clause(*next));
        name.contains(chars[*at]) && ends
    };
    said.start..rest.rev().find(explained).map_or(said.end, |last| last + 1)
}

fn surest(tags: &[Tag], field: Field) -> Option<&Tag> {
    let of_field = tags.iter().filter(|tag| tag.field == field);
    of_field.max_by(|a, b| a.confidence.total_cmp(&b.confidence))
}

/// Holds every value to the limits of a ticket and lowers the confidence of what was badly heard.
fn finished(mut tag: Tag, talk: &Transcript<'_>) -> Option<Tag> {
    let chars_max =
        if tag.field == Field::Description { TICKET_FIELD_CHARS_MAX } else { LINE_CHARS_MAX };
    let clean = |c: &char| !c.is_control() || (tag.field == Field::Description && *c == '\n');
    tag.value = tag.value.chars().filter(clean).take(chars_max).collect();
    let heard = talk.heard(&tag.evidence);
    tag.confidence = (tag.confidence * (0.7 + 0.3 * heard)).clamp(0.0, 1.0);
    (!tag.value.trim().is_empty() && !tag.evidence.is_empty()).then_some(tag)
}
