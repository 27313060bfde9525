"""Words of programs that name nobody.

Alone, a redactor reads many of them as names of persons: "branch", "price", "lens". A word whose parts are all in this
list needs no redactor. Usual given names are not in it, such as "rose", "mark" and "amber". Some of the words are
surnames too ("price", "white"), which name nobody without a given name.
"""

from __future__ import annotations

import re
from typing import Final

from server.records.decision_reasons import KNOWN_REASONS

_PARTS: Final = re.compile(r"[._-]+")

_WORDS: Final = """
    abandoned aborted accepted account action active activity add added address again alert all allowed amount answer
    answered app application applied approval approved archive attempt attempts audio avatar average
    back badge balance banner basket battery before begin begun black blocked blue body boolean box branch browser
    build button
    cache call called camera campaign cancel cancelled capture captured card cart category changed channel chat check
    checkbox checked checkout choice choose chosen city clicked client close closed code color colour column completed
    component config confirm confirmed connected consent contact content control copied copy correct corrected count
    counted country coupon create created currency current customer cut
    dark dashboard data date day days declined default delay delete deleted delivered delivery denied device dialog
    discarded discount dismissed document done down download downloaded draft drag dropdown dropped duplicate duration
    edit edited email empty enabled end ended enter entered entry error errors event exit expired export exported
    face fail failed failure feature feedback field file filled filter finish finished first flow focus footer form
    format frame front full
    gate gender goal gold green grey group guest guided
    header height help hidden home hour hours
    icon id image import imported index info input inserted install installed interval invalid invitation invoice item
    key keyboard kind kiosk
    label language last layout left lens level light limit line link linked list liveness load loaded loading locale
    location locked login logout
    manual matched maximum media medium menu message meter method milestone minimum minute minutes missing mobile
    modal mode model month mouse mrn
    name navigation network new next no none note notification notified number
    offer offline old onboarding online open opened option order os other otp output
    page panel passed password pause paused pay payment pending percent permission phone photo picked picture pin
    placement plan platform popup position post press pressed preview previous price printed privacy proceed processed
    product profile progress prompt provider purchase purchased push
    qr quality quantity query question queue quick
    rate rating reached read reader reading reason receipt received record recorded red redirect redirected refund
    refused region register registered registration rejected reload reminder remove removed repeat repeated replaced
    reply request requested required resend reset resolution response restart result resume resumed retake retaken
    retries retry return returned review reviewed right role rotate row
    saved scan scanned schedule scheduled score screen scroll scrolled search second seconds section select selected
    selfie send sent server service session setting settings shared shipping short show shown sidebar signal signed
    signin signup silver site size skip skipped sku slot sms sort source speech speed split started state status step
    store streak submit submitted success suggestion summary support survey swipe switch system
    tab table tablet tag tap tapped tariff task team template term terms test text theme ticket time timeout timer
    title toast toggle token tooltip top total touch track trial tutorial type typed
    unit unknown unlock update updated upload uploaded url usage used user usual utm
    valid value variant verification verified version video view viewed visit visited visitor voice voucher
    wait waiting warning web website week weeks white widget width window wishlist word work wrong
    yellow yes
    zip zoom
"""
PROGRAM_WORDS: Final = frozenset(_WORDS.split())


def is_of_programs(word: str) -> bool:
    """Whether a word is known to name nobody: a reason of ``KNOWN_REASONS``, or one whose parts all are words of
    programs, as in ``branch``, ``form_sent`` and ``utm.source``.
    """
    return word in KNOWN_REASONS or all(part in PROGRAM_WORDS for part in _PARTS.split(word.strip("._-")))
