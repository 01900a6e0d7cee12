//! The first sign-in, step by step: the authenticator, a password of one's own, the recovery code.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use qrcode::QrCode;
use serde::Deserialize;

use super::House;
use super::frame::{Frame, html};
use super::trouble::{Trouble, sentence};
use super::unlocking::{enter, refusal};
use super::visitor::{Newcomer, Posted, PostedByNewcomer, Visitor};
use crate::keyring::Passphrase;
use crate::owner::{OwnerError, account, enrol};
use crate::tenant::rows::{UserRow, pending};

/// The first code of an authenticator.
#[derive(Deserialize)]
pub struct Code {
    code: String,
}

/// A password of one's own, twice.
#[derive(Deserialize)]
pub struct NewPassword {
    password: String,
    again: String,
}

/// The end of the recovery code, to show that it was kept.
#[derive(Deserialize)]
pub struct Kept {
    ending: String,
    code: String,
}

#[derive(Template)]
#[template(path = "welcome-authenticator.html")]
struct AuthenticatorPage {
    frame: Frame,
    csrf: String,
    steps: Vec<Step>,
    qr: Qr,
    seed: String,
    wrong: Option<String>,
}

#[derive(Template)]
#[template(path = "welcome-password.html")]
struct PasswordPage {
    frame: Frame,
    csrf: String,
    steps: Vec<Step>,
    wrong: Option<String>,
}

#[derive(Template)]
#[template(path = "welcome-recovery.html")]
struct RecoveryPage {
    frame: Frame,
    csrf: String,
    steps: Vec<Step>,
    code: String,
    wrong: Option<String>,
}

/// A step of the first sign-in, as the page lists it.
struct Step {
    name: &'static str,
    current: bool,
}

/// `GET /welcome`: the step that is next.
pub async fn page(State(house): State<Arc<House>>, Newcomer(visitor): Newcomer) -> Result<Response, Trouble> {
    if visitor.row.awaits(pending::AUTHENTICATOR) {
        return authenticator(&house, &visitor, None);
    }
    if visitor.row.pending.is_some() && visitor.open_until().is_none() {
        // The page was left in mid-way: the code opens what the next steps need.
        return unlock_first(&visitor, None);
    }
    if visitor.row.awaits(pending::PASSWORD) {
        return Ok(html(&password_page(&visitor, None)));
    }
    if visitor.row.awaits(pending::RECOVERY) {
        return Ok(Redirect::to("/welcome/recovery").into_response());
    }
    Ok(Redirect::to("/mail").into_response())
}

/// `POST /welcome`: the first right code, or a later one that goes on where the person left.
pub async fn confirm(
    State(house): State<Arc<House>>,
    PostedByNewcomer(Posted { visitor, form }): PostedByNewcomer<Code>,
) -> Result<Response, Trouble> {
    if visitor.row.pending.is_none() {
        // Nothing is left to set up, so this unlock has a reason of its own, and its own page.
        return Ok(Redirect::to("/unlock").into_response());
    }
    let origin = visitor.client.origin;
    let visit = &visitor.visit;
    match enrol::confirm_authenticator(&house.vault, &house.sessions, visit, &form.code, origin).await {
        Ok(opened) => {
            let known = enter(&house, &visitor, &opened)?;
            Ok((known, Redirect::to("/welcome")).into_response())
        }
        Err(error) => {
            let (status, wrong) = refusal(error)?;
            let page = if visitor.row.awaits(pending::AUTHENTICATOR) {
                authenticator(&house, &visitor, Some(wrong))
            } else {
                unlock_first(&visitor, Some(wrong))
            };
            Ok((status, page?).into_response())
        }
    }
}

/// `POST /welcome/password`. It ends every session, this one too.
pub async fn password(
    State(house): State<Arc<House>>,
    PostedByNewcomer(Posted { visitor, form }): PostedByNewcomer<NewPassword>,
) -> Result<Response, Trouble> {
    if let Err(wrong) = check_password(&form.password, &form.again) {
        let page = html(&password_page(&visitor, Some(wrong)));
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let unlocked = visitor.unlocked(&house).map_err(|_| Trouble::Welcome)?;
    let password = Passphrase::new(form.password);
    let user = visitor.visit.user;
    match account::set_password(&house.vault, &house.sessions, &unlocked, user, password).await {
        Ok(()) => Ok(Redirect::to("/sign-in?said=password").into_response()),
        Err(error) => {
            let page = html(&password_page(&visitor, Some(weak(error)?)));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// `GET /welcome/recovery`: a new code each time, until one is confirmed.
pub async fn recovery(
    State(house): State<Arc<House>>,
    Newcomer(visitor): Newcomer,
) -> Result<Response, Trouble> {
    if !visitor.row.awaits(pending::RECOVERY) {
        return Ok(Redirect::to("/mail").into_response());
    }
    let unlocked = visitor.unlocked(&house).map_err(|_| Trouble::Welcome)?;
    let code = enrol::new_recovery_code(&house.vault, &unlocked).await?;
    Ok(html(&recovery_page(&visitor, code.reveal().to_string(), None)))
}

/// `POST /welcome/recovery`.
pub async fn recovery_confirm(
    State(house): State<Arc<House>>,
    PostedByNewcomer(Posted { visitor, form }): PostedByNewcomer<Kept>,
) -> Result<Response, Trouble> {
    let unlocked = visitor.unlocked(&house).map_err(|_| Trouble::Welcome)?;
    let plain =
        |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let (code, ending) = (plain(&form.code), plain(&form.ending));
    if ending.len() < ENDING || !code.ends_with(&ending) {
        let wrong =
            Some("Those are not the last letters of the code. Look at what you wrote down.".to_owned());
        let page = html(&recovery_page(&visitor, form.code, wrong));
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    enrol::recovery_confirmed(&house.vault, &unlocked).await?;
    Ok(Redirect::to("/mail?said=welcome").into_response())
}

/// What is wrong with a new password, as far as a look at it tells. Whether it is good enough is decided
/// where it is set.
pub(super) fn check_password(password: &str, again: &str) -> Result<(), String> {
    if password != again {
        return Err("The two passwords differ.".to_owned());
    }
    Ok(())
}

/// Why a new password is not taken, in the person's words; anything else is trouble.
pub(super) fn weak(error: OwnerError) -> Result<String, Trouble> {
    match error {
        OwnerError::Invalid { what: "password", why } => Ok(sentence(&why)),
        error => Err(error.into()),
    }
}

fn authenticator(house: &House, visitor: &Visitor, wrong: Option<String>) -> Result<Response, Trouble> {
    let enrolled = enrol::authenticator(&house.vault, &visitor.visit)?.ok_or(Trouble::NotFound("page"))?;
    let seed = enrolled.seed.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
    let frame = Frame::bare("Set up your authenticator");
    let csrf = visitor.visit.csrf.clone();
    let steps = steps(&visitor.row, pending::AUTHENTICATOR);
    Ok(html(&AuthenticatorPage { frame, csrf, steps, qr: Qr::of(&enrolled.uri), seed, wrong }))
}

fn unlock_first(visitor: &Visitor, wrong: Option<String>) -> Result<Response, Trouble> {
    #[derive(Template)]
    #[template(path = "welcome-again.html")]
    struct AgainPage {
        frame: Frame,
        csrf: String,
        wrong: Option<String>,
    }
    let csrf = visitor.visit.csrf.clone();
    Ok(html(&AgainPage { frame: Frame::bare("Where you left off"), csrf, wrong }))
}

fn password_page(visitor: &Visitor, wrong: Option<String>) -> PasswordPage {
    let (frame, csrf) = (Frame::bare("Choose your password"), visitor.visit.csrf.clone());
    PasswordPage { frame, csrf, steps: steps(&visitor.row, pending::PASSWORD), wrong }
}

fn recovery_page(visitor: &Visitor, code: String, wrong: Option<String>) -> RecoveryPage {
    let (frame, csrf) = (Frame::bare("Your recovery code"), visitor.visit.csrf.clone());
    RecoveryPage { frame, csrf, steps: steps(&visitor.row, pending::RECOVERY), code, wrong }
}

/// All steps of this first sign-in, those behind and those ahead; none where there is but one.
fn steps(row: &UserRow, current: u8) -> Vec<Step> {
    let now = STEPS.iter().position(|(step, _)| *step == current);
    let (before, after) = STEPS.split_at(now.unwrap_or(0));
    let ahead = after.iter().filter(|(step, _)| row.awaits(*step));
    let all = before.iter().chain(ahead).map(|(step, name)| Step { name, current: *step == current });
    Some(all.collect()).filter(|all: &Vec<Step>| all.len() > 1).unwrap_or_default()
}

/// A QR code as one SVG path: a page without inline style can show it.
pub struct Qr {
    /// The width, in modules, with the quiet zone.
    pub width: usize,
    /// The dark modules.
    pub path: String,
}

impl Qr {
    /// The code of a text; empty if the text is too long for one.
    pub fn of(text: &str) -> Self {
        let Ok(code) = QrCode::new(text) else { return Self { width: 0, path: String::new() } };
        let width = code.width();
        let dark =
            code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == qrcode::Color::Dark);
        let module = |at: usize| format!("M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET);
        Self { width: width + 2 * QUIET, path: dark.map(|(at, _)| module(at)).collect() }
    }
}

/// In this order.
const STEPS: [(u8, &str); 3] = [
    (pending::AUTHENTICATOR, "Authenticator"),
    (pending::PASSWORD, "Password"),
    (pending::RECOVERY, "Recovery code"),
];
/// The quiet zone around a QR code, in modules.
const QUIET: usize = 4;
/// Letters of the recovery code that are asked for again.
const ENDING: usize = 4;
