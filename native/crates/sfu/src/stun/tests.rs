use super::*;

const PASSWORD: &[u8] = b"passwordpasswordpassword";
const TRANSACTION: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

// What the Python twin (`streamserver/media/stun.py`) writes for the same arguments.
const REQUEST: &str = "000100482112a442000102030405060708090a0b00060009616263643a7778797a000000002400047e0000ff\
    802a000800010203040506070025000000080014b6a7ac4657e15ea190a2632cdac54727e3fa392a802800048cac26aa";
const CONTROLLED: &str = "000100442112a442000102030405060708090a0b00060009616263643a7778797a000000002400047e0000\
    ff8029000800010203040506070008001499485bd982930faf8f08a0d1fcd2e5e77ca1fc2080280004d38eefcb";
const SUCCESS_4: &str = "0101002c2112a442000102030405060708090a0b002000080001a147e112a643000800147ff61d9cc0e7eb3a\
    ff186b7636e4c92c9c18315080280004aebd5e01";
const SUCCESS_6: &str = "010100382112a442000102030405060708090a0b00200014000220a90113a9fa000102030405060708090a0a\
    00080014eb99a82f3396a7c0b248bffd2c0398e28ccd6c1980280004ba937552";
const ERROR_487: &str = "011100382112a442000102030405060708090a0b0009001100000457526f6c6520436f6e666c696374000000\
    00080014f9e6138b6b7fce98470ef5cc41a950e8690c57ce80280004c0582305";
const ERROR_420: &str = "011100482112a442000102030405060708090a0b0009001500000414556e6b6e6f776e204174747269627574\
    65000000000a0006777712340005000000080014213ec546c105e3a81166a16b42cece6ff13dc5fe8028000421b975a2";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Attributes as they stand, signed.
fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut message = Writer::begin(BINDING_REQUEST, &TRANSACTION, &mut out);
    for (name, value) in attributes {
        message = message.attribute(*name, value);
    }
    message.sign(PASSWORD);
    out
}

#[test]
fn writes_what_the_python_twin_writes() {
    let mut out = Vec::new();
    write_request(&TRANSACTION, "abcd:wxyz", PASSWORD, 0x0001_0203_0405_0607, true, &mut out);
    assert_eq!(hex(&out), REQUEST);
    out.clear();
    write_success(&TRANSACTION, "192.0.2.1:32853".parse().unwrap(), PASSWORD, &mut out);
    assert_eq!(hex(&out), SUCCESS_4);
    out.clear();
    write_success(&TRANSACTION, "[::ffff:192.0.2.1]:32853".parse().unwrap(), PASSWORD, &mut out);
    assert_eq!(hex(&out), SUCCESS_4, "a mapped address is IPv4 to the peer");
    out.clear();
    write_success(&TRANSACTION, "[2001:db8::1]:443".parse().unwrap(), PASSWORD, &mut out);
    assert_eq!(hex(&out), SUCCESS_6);
    out.clear();
    write_error(&TRANSACTION, 487, "Role Conflict", &[], PASSWORD, &mut out);
    assert_eq!(hex(&out), ERROR_487);
    let before = out.len();
    write_error(&TRANSACTION, 420, "Unknown Attribute", &[0x7777, 0x1234, 5], PASSWORD, &mut out);
    assert_eq!(hex(&out[before..]), ERROR_420, "appended behind what was there");
}

#[test]
fn reads_a_check() {
    let d = bytes(REQUEST);
    assert!(is_stun(&d));
    assert_eq!(peek_ufrag(&d), Some(&b"abcd"[..]));
    let request = read_request(&d).unwrap();
    assert_eq!((request.local_ufrag, request.remote_ufrag), ("abcd", "wxyz"));
    assert_eq!(request.transaction, TRANSACTION);
    assert!(request.use_candidate && !request.claims_controlled && request.unknown.is_empty());
    assert!(request.verify(PASSWORD));
    assert!(!request.verify(b"passwordpasswordpassworx"));
    let d = bytes(CONTROLLED);
    let request = read_request(&d).unwrap();
    assert!(request.claims_controlled && !request.use_candidate && request.verify(PASSWORD));
}

#[test]
fn the_sample_request_of_rfc_5769_verifies() {
    let d = bytes(
        "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008\
         932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004\
         e57a3bcf",
    );
    let request = read_request(&d).unwrap();
    assert_eq!((request.local_ufrag, request.remote_ufrag), ("evtj", "h6vY"));
    assert!(request.claims_controlled && request.verify(b"VOkJxbRl1RmTxUk/WvJxBt"));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let d = bytes(REQUEST);
    for bit in 0..d.len() * 8 {
        let mut forged = d.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert!(!read_request(&forged).is_some_and(|request| request.verify(PASSWORD)), "bit {bit}");
    }
    for length in 0..d.len() {
        assert!(read_request(&d[..length]).is_none());
    }
}

#[test]
fn unsigned_or_unprinted_is_nothing() {
    let mut out = Vec::new();
    Writer::begin(BINDING_REQUEST, &TRANSACTION, &mut out).attribute(USERNAME, b"a:b");
    let length = (out.len() - HEADER) as u16;
    out[2..4].copy_from_slice(&length.to_be_bytes());
    assert!(read_request(&out).is_none());
    assert_eq!(peek_ufrag(&out), Some(&b"a"[..]), "the peek checks nothing");

    let mut signed = request(&[(USERNAME, b"a:b")]);
    signed.truncate(signed.len() - FINGERPRINT_ATTRIBUTE);
    let length = (signed.len() - HEADER) as u16;
    signed[2..4].copy_from_slice(&length.to_be_bytes());
    assert!(read_request(&signed).is_none());
    assert!(read_request(&request(&[(USERNAME, b"nocolon")])).is_none());
    assert!(read_request(&request(&[(USERNAME, b"\xff:b")])).is_none());
    assert!(read_request(&request(&[])).is_none());
}

#[test]
fn unknown_attributes_are_named() {
    let d = request(&[(USERNAME, b"a:b"), (0x7777, b"x"), (0x8888, b"optional"), (0x0005, b"")]);
    let request = read_request(&d).unwrap();
    assert_eq!(request.unknown, [0x7777, 5]);
    assert!(request.verify(PASSWORD));
}

#[test]
fn what_follows_the_signature_is_ignored() {
    let mut out = Vec::new();
    let message = Writer::begin(BINDING_REQUEST, &TRANSACTION, &mut out).attribute(USERNAME, b"a:b");
    let tag = digest(message.out, SIGNATURE_ATTRIBUTE, PASSWORD);
    let message = message
        .attribute(MESSAGE_INTEGRITY, tag.as_ref())
        .attribute(USE_CANDIDATE, b"")
        .attribute(USERNAME, b"c:d")
        .attribute(0x7777, b"");
    let print = fingerprint(message.out);
    message.attribute(FINGERPRINT, &print.to_be_bytes());
    let length = (out.len() - HEADER) as u16;
    out[2..4].copy_from_slice(&length.to_be_bytes());
    let request = read_request(&out).unwrap();
    assert!(request.verify(PASSWORD) && !request.use_candidate && request.unknown.is_empty());
    assert_eq!(request.local_ufrag, "a");
}

#[test]
fn too_many_attributes_are_nothing() {
    let optional = (0x8888, &b""[..]);
    let mut attributes = vec![(USERNAME, &b"a:b"[..])];
    attributes.resize(MAX_ATTRIBUTES - 2, optional);
    assert!(read_request(&request(&attributes)).is_some());
    attributes.push(optional);
    assert!(read_request(&request(&attributes)).is_none());
}

#[test]
fn the_first_username_counts_here_as_in_the_peek() {
    let d = request(&[(USERNAME, b"a:b"), (USERNAME, b"c:d")]);
    assert_eq!(peek_ufrag(&d), Some(&b"a"[..]));
    assert_eq!(read_request(&d).unwrap().local_ufrag, "a");
}

#[test]
fn answers_are_read_with_the_right_password_only() {
    let success = Response { transaction: TRANSACTION, success: true, error: 0 };
    assert_eq!(read_response(&bytes(SUCCESS_4), PASSWORD), Some(success));
    assert_eq!(read_response(&bytes(SUCCESS_4), b"other"), None);
    assert_eq!(read_response(&bytes(REQUEST), PASSWORD), None);
    let refused = Response { transaction: TRANSACTION, success: false, error: 487 };
    assert_eq!(read_response(&bytes(ERROR_487), PASSWORD), Some(refused));
    let mut forged = bytes(ERROR_420);
    forged[40] ^= 1;
    assert_eq!(read_response(&forged, PASSWORD), None);
}

#[test]
fn another_implementation_reads_what_is_written() {
    use stun_types::message::{IntegrityAlgorithm, Message, ShortTermCredentials};
    let key = ShortTermCredentials::new("passwordpasswordpassword".to_owned()).make_key();
    let mut out = Vec::new();
    write_success(&TRANSACTION, "[2001:db8::1]:443".parse().unwrap(), PASSWORD, &mut out);
    let message = Message::from_bytes(&out).unwrap();
    assert_eq!(message.validate_integrity_with_key(&key).unwrap(), IntegrityAlgorithm::Sha1);
    let mapped = message.attribute::<stun_types::attribute::XorMappedAddress>().unwrap();
    assert_eq!(mapped.addr(message.transaction_id()), "[2001:db8::1]:443".parse().unwrap());
    out.clear();
    write_request(&TRANSACTION, "ab:cd", PASSWORD, 7, true, &mut out);
    let message = Message::from_bytes(&out).unwrap();
    assert_eq!(message.validate_integrity_with_key(&key).unwrap(), IntegrityAlgorithm::Sha1);
}
