//! The menu of a call: the driver plays what it says and tells the call machine where it leads.

use super::driver::Driver;
use crate::serve::switchboard::{MENU_PROMPTS, MenuRun, MenuStep};
use qingting_core::call::{Input, LegId, Prompt, Treatment};
use qingting_core::menu::Destination;

/// The caller.
const CALLER: LegId = LegId(0);

impl Driver {
    pub(super) fn menu_start(&mut self) {
        let graph = self.hotline.switchboard.menu_of(self.beginning.number);
        self.menu = Some(MenuRun::new(graph, self.hotline.clock.now()));
        self.menu_steps();
    }

    pub(super) fn menu_key(&mut self, key: char) {
        self.in_menu(|menu, now| menu.key(now, key));
    }

    pub(super) fn menu_words(&mut self, words: &str) {
        self.in_menu(|menu, now| menu.words(now, words));
    }

    pub(super) fn menu_timer(&mut self) {
        self.in_menu(MenuRun::timer);
    }

    /// Whether the prompt was the menu's.
    pub(super) fn menu_prompt_done(&mut self, id: u32) -> bool {
        if id < MENU_PROMPTS {
            return false;
        }
        self.in_menu(|menu, now| menu.prompt_done(now, id));
        true
    }

    fn in_menu(&mut self, tell: impl FnOnce(&mut MenuRun, qingting_common::Millis)) {
        let now = self.hotline.clock.now();
        if let Some(menu) = &mut self.menu {
            tell(menu, now);
            self.menu_steps();
        }
    }

    fn menu_steps(&mut self) {
        while let Some(step) = self.menu.as_mut().and_then(MenuRun::next) {
            match step {
                MenuStep::Play(id, text) => {
                    let samples = self.hotline.prompts.own(&text);
                    match (self.media(CALLER), samples) {
                        (Some(media), Some(samples)) => media.play(id, samples),
                        _ => self.in_menu(|menu, now| menu.prompt_done(now, id)),
                    }
                }
                MenuStep::Stop => {
                    if let Some(media) = self.media(CALLER) {
                        media.stop_prompts();
                    }
                }
                MenuStep::Goto(destination) => {
                    self.menu = None;
                    let treatment = self.after_menu(destination);
                    self.known.push_back(Input::Menu(treatment));
                }
            }
        }
    }

    fn after_menu(&mut self, destination: Destination) -> Treatment {
        let own = self.hotline.switchboard.queue_of(self.beginning.number);
        match destination {
            Destination::OwnQueue => self.hotline.switchboard.queue_or_machine(&own),
            Destination::Queue(name) => self.hotline.switchboard.queue_or_machine(name.as_str()),
            Destination::Transfer(number) => self.hotline.switchboard.transfer_to(&number),
            Destination::Callback => {
                self.wants_callback = true;
                Treatment::Closed { prompt: Prompt::CallbackPromised }
            }
            Destination::Hangup => {
                self.is_served = true;
                Treatment::Closed { prompt: Prompt::Farewell }
            }
        }
    }
}
