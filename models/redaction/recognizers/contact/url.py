"""Web addresses that lead to a person: profiles, user names or log-in data in the path or query.

Must NOT match: the address of an organisation (``https://example.org/prices``).
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer

URL = PatternRecognizer(
    entity="URL",
    name="url",
    needs="/@.:",
    patterns=(
        Pattern(
            re.compile(
                r"(?:https?://|www\.)?(?:[\w-]{1,30}\.){0,2}(?:facebook|linkedin|instagram|twitter|x|tiktok|github"
                r"|gitlab|t|wa|youtube|threads|"
                r"pinterest|reddit|medium|snapchat|vk|xing|flickr|soundcloud|researchgate|orcid)\.(?:com|me|net|org)/"
                r"(?:in/|users?/|u/|add/|@)?[\w.@%+-]{2,80}[\w/]?",
                re.IGNORECASE,
            ),
            0.85,
            name="profile",
        ),
        Pattern(
            re.compile(r"(?<!\w)[a-z]{2,10}://[^\s/@:]{1,80}(?::[^\s/@]{0,80})?@[^\s]{1,200}", re.IGNORECASE),
            1.0,
            name="login",
        ),
        Pattern(re.compile(r"https?://[^\s?#]{1,300}/~[\w.-]{2,60}[^\s]{0,200}", re.IGNORECASE), 0.85, name="home"),
        Pattern(
            re.compile(
                r"https?://[^\s?#]{1,300}\?[^\s]{0,300}?(?:e-?mail|user(?:name)?|name|phone|tel|token|ssn"
                r"|dob)=[^\s]{1,300}",
                re.IGNORECASE,
            ),
            0.9,
            name="query",
        ),
        Pattern(
            re.compile(
                r"https?://[^\s?#]{1,200}/(?:user|users|profile|people|member|u|author)s?/[^\s?#/]{2,80}", re.IGNORECASE
            ),
            0.75,
            name="member",
        ),
        # A personal page on a shared host: jane-roe.blogspot.com
        Pattern(
            re.compile(
                r"(?<![\w.@-])(?:https?://)?(?!www\.|blog\.|help\.|support\.|about\.)[\w-]{3,40}\.(?:blogspot"
                r"|wordpress|tumblr|substack|medium|livejournal"
                r"|wixsite|weebly|bandcamp|carrd|about)\.(?:com|me|net|co)(?:/[\w./~%-]{0,200})?",
                re.IGNORECASE,
            ),
            0.75,
            name="own-page",
        ),
        Pattern(
            re.compile(r"(?:tel|sms|callto|skype|facetime|mailto|xmpp|sip):[\w.+@%-]{4,100}", re.IGNORECASE),
            0.9,
            name="contact-link",
        ),
    ),
)
