//! An authenticator for tests: P-256 (COSE -7), no attestation, a signature counter, a pseudo-random
//! function. It signs whatever it is told to, also what an honest one would not.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use minicbor::Encoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::keyring::PrfOutput;

/// A device with one passkey.
pub struct Authenticator {
    key: EcdsaKeyPair,
    pub id: Vec<u8>,
    secret: [u8; 32],
    pub client: Client,
    pub counter: u32,
}

/// What the browser and the device claim.
#[derive(Clone)]
pub struct Client {
    pub origin: String,
    pub party: String,
    pub verified: bool,
    pub cross_origin: bool,
    pub handle: Option<Vec<u8>>,
}

impl Authenticator {
    pub fn new() -> Self {
        let client = Client {
            origin: "https://vault.example".to_owned(),
            party: "vault.example".to_owned(),
            verified: true,
            cross_origin: false,
            handle: None,
        };
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        Self { key, id: random().to_vec(), secret: random(), client, counter: 1 }
    }

    /// What it computes for a salt.
    pub fn prf(&self, salt: &Value) -> PrfOutput {
        let salt = BASE64URL_NOPAD.decode(salt.as_str().expect("a text").as_bytes()).expect("base64url");
        PrfOutput::from_bytes(&Sha256::digest([&self.secret[..], &salt].concat()).into())
    }

    /// Answers the options of `navigator.credentials.create`.
    pub fn create<T: serde::de::DeserializeOwned>(&self, options: &Value) -> T {
        let client = self.client_data("webauthn.create", &options["publicKey"]["challenge"]);
        let mut data = self.data(USER_PRESENT | CREDENTIAL);
        data.extend_from_slice(&[0; 16]);
        data.extend_from_slice(&(self.id.len() as u16).to_be_bytes());
        data.extend_from_slice(&self.id);
        data.extend_from_slice(&self.public_key());
        let mut attestation = Encoder::new(Vec::new());
        let encoded = (|| {
            attestation.map(3)?.str("fmt")?.str("none")?.str("attStmt")?.map(0)?;
            attestation.str("authData")?.bytes(&data)?.ok()
        })();
        encoded.expect("a Vec takes every byte");
        self.answer(json!({
            "attestationObject": BASE64URL_NOPAD.encode(attestation.writer()),
            "clientDataJSON": BASE64URL_NOPAD.encode(&client),
        }))
    }

    /// Answers the options of `navigator.credentials.get`.
    pub fn get<T: serde::de::DeserializeOwned>(&mut self, options: &Value) -> T {
        self.counter += 1;
        let client = self.client_data("webauthn.get", &options["publicKey"]["challenge"]);
        let data = self.data(USER_PRESENT);
        let signed = [&data[..], &Sha256::digest(&client)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).expect("a signature");
        self.answer(json!({
            "authenticatorData": BASE64URL_NOPAD.encode(&data),
            "clientDataJSON": BASE64URL_NOPAD.encode(&client),
            "signature": BASE64URL_NOPAD.encode(signature.as_ref()),
            "userHandle": self.client.handle.as_ref().map(|handle| BASE64URL_NOPAD.encode(handle)),
        }))
    }

    fn answer<T: serde::de::DeserializeOwned>(&self, response: Value) -> T {
        let id = BASE64URL_NOPAD.encode(&self.id);
        let answer = json!({ "id": id, "rawId": id, "type": "public-key", "response": response });
        serde_json::from_value(answer).expect("the form of an answer")
    }

    fn client_data(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        let Client { origin, cross_origin, .. } = &self.client;
        let data = json!({
            "type": kind, "challenge": challenge, "origin": origin, "crossOrigin": cross_origin,
        });
        data.to_string().into_bytes()
    }

    /// Authenticator data (WebAuthn level 3 §6.1) without what follows the counter.
    fn data(&self, flags: u8) -> Vec<u8> {
        let flags = flags | if self.client.verified { USER_VERIFIED } else { 0 };
        let mut data = Sha256::digest(self.client.party.as_bytes()).to_vec();
        data.push(flags);
        data.extend_from_slice(&self.counter.to_be_bytes());
        data
    }

    /// A COSE key (RFC 9053 §7.1.1): 1 kty EC2, 3 alg ES256, -1 P-256, -2 x, -3 y.
    fn public_key(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let mut key = Encoder::new(Vec::new());
        let encoded = (|| {
            key.map(5)?.u8(1)?.u8(2)?.u8(3)?.i8(-7)?.i8(-1)?.u8(1)?;
            key.i8(-2)?.bytes(&point[1..33])?.i8(-3)?.bytes(&point[33..])?.ok()
        })();
        encoded.expect("a Vec takes every byte");
        key.into_writer()
    }
}

fn random() -> [u8; 32] {
    *crate::keyring::PasskeyShare::generate().expose()
}

/// Flags of authenticator data (WebAuthn level 3 §6.1).
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const CREDENTIAL: u8 = 0x40;
