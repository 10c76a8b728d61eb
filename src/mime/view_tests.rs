use super::*;

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

#[test]
fn the_usual_mail_shows_its_text_html_and_attachments() {
    let message = crlf(
        "From: =?utf-8?Q?Zo=C3=AB?= <z@b.test>\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\nContent-Type: multipart/alternative; boundary=\"bb\"\n\n\
         --bb\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\ngr=FC=\nn\n\n\
         --bb\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\nPGI+aGk8L2I+\n--bb--\n\
         --b\nContent-Type: application/pdf; name*=utf-8''r%C3%A9sum%C3%A9.pdf\nContent-Disposition: attachment\n\
         Content-Transfer-Encoding: base64\n\nAAEC\n--b--\nepilogue\n",
    );
    let view = View::of(&message, Reach::STANDARD);
    assert_eq!(view.header("from"), "Zo\u{eb} <z@b.test>");
    assert_eq!(view.header("Subject"), "Gr\u{fc}\u{df}e");
    assert_eq!(view.text.as_deref(), Some("gr\u{fc}n\n"));
    assert_eq!(view.html.as_deref(), Some("<b>hi</b>"));
    let pdf = Attachment { name: "r\u{e9}sum\u{e9}.pdf".to_owned(), content_type: "application/pdf".to_owned(), size: 3 };
    assert_eq!(view.attachments, std::slice::from_ref(&pdf));
    assert_eq!(attachment(&message, 0, Reach::STANDARD), Some((pdf, vec![0, 1, 2])));
    assert_eq!(attachment(&message, 1, Reach::STANDARD), None);
}

#[test]
fn a_bare_message_is_text_and_controls_are_not_shown() {
    let view = View::of(b"Subject: a\x1b[31m\r\n\r\nline\x07 one\r\n\ttab\x1b]0;t\x00\r\n", Reach::STANDARD);
    assert_eq!(view.header("subject"), "a[31m");
    assert_eq!(view.text.as_deref(), Some("line one\n\ttab]0;t\n"));
    assert_eq!(View::of(b"", Reach::STANDARD), View { text: Some(String::new()), ..View::default() });
}

#[test]
fn a_delimiter_ends_what_is_inside_it() {
    let message = crlf(
        "Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: multipart/mixed; boundary=in\n\n--in\n\none\n\
         --out\nContent-Type: text/html\n\ntwo\n--out--\n",
    );
    let view = View::of(&message, Reach::STANDARD);
    assert_eq!((view.text.as_deref(), view.html.as_deref()), (Some("one"), Some("two")));
}

#[test]
fn what_lies_beyond_the_reach_is_opaque() {
    let message = crlf(
        "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ndeep\n--b--\n--a--\n",
    );
    let parts = |depth, parts| parts::of(&message, Reach { depth, parts }).len();
    assert_eq!([parts(100, 100), parts(1, 100), parts(0, 100), parts(100, 2)], [3, 2, 1, 2]);
}
