//! Handling of tickets (办理): steps, their history, what each unit has to do, and what an outer ticket system reports.

pub(crate) mod events;
pub(crate) mod history;
pub(crate) mod load;
pub(crate) mod steps;

use qingting_tickets::signature::Secrets;

/// How the city handles tickets.
#[derive(Clone, Debug, Default)]
pub struct HandlingRules {
    /// The campaign in which closed tickets are followed up; none: they are not.
    pub campaign_of_closed: Option<String>,
    /// Who may report what became of tickets; none: nobody.
    pub reporter: Option<Secrets>,
}
