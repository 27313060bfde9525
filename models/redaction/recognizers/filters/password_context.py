"""Words of remarks about a password that do not reveal it, in six languages."""

from __future__ import annotations

from typing import Final

ENDS: Final = frozenset(
    """and but so because please that for it it's its thanks thank which when where if or then i i'm we you he she
    they can could will would do does did y pero porque por gracias que cuando si o und aber weil danke bitte dass
    wenn oder ich et mais parce merci svp quand ou je aur lekin hai है और लेकिन कृपया hoon ok okay with without by
    from to on in at of as here there mit ohne auf im am mi until till since bis seit hasta desde jusqu'au
    depuis""".split()
)
"""Words that end a password, or say where it is kept."""

NEGATIONS: Final = frozenset("not no never isn't nicht kein keine nunca pas jamais nahi nahin नहीं não non".split())

OPENERS: Final = NEGATIONS | frozenset(
    """too very so why how who what whatever whichever whoever something anything nothing some any this these my your
    his her our their being been going about under over off see refer ask muy demasiado qué cuál que otra otro trop
    très quoi quel quelle faible zu sehr was wie welches siehe voir véase consultar kya क्या kaise कैसे""".split()
)
"""Words that begin a remark, whatever follows."""

ADVERBS: Final = frozenset(
    """always just only still already also now really actually currently simply apparently probably obviously
    basically definitely usually often again unfortunately clearly sometimes pretty
    quite almost nearly mir today yesterday immer schon noch
    leider jetzt einfach auch gestern heute vorgestern eben wohl siempre ya ahora también todavía ayer hoy solo
    toujours déjà encore aussi hier aujourd'hui seulement juste hamesha abhi bhi ab अब अभी हमेशा sempre já""".split()
)
"""Words before a remark or before the password itself: "is always wrong", "is always moonlight"."""

STATES: Final = frozenset(
    """wrong incorrect invalid valid correct right broken same empty blank lost gone unknown case strong weak secure
    safe unsafe stolen hacked known shown hidden visible fine good bad old new short long longer shorter easy hard
    difficult simple complicated different unique private secret confidential important mandatory optional sensitive
    mine yours set sent kept written up down out ready available due reset change incorrecta incorrecto errónea
    inválida correcta misma mismo necesaria obligatoria vacía segura débil fuerte fácil difícil corta larga mala mal
    faux erroné invalide requis obligatoire bon mauvais vide perdu même fort court long correct falsch ungültig
    gültig richtig weg korrekt unbekannt erforderlich dasselbe gleich leer schwach geheim sicher unsicher zurück
    kurz lang alt neu bekannt galat sahi bhool bhul yaad wahi karna karni kar karo ho gaya gayi raha rahi chahiye
    bhejna dena hota hona गलत ग़लत सही भूल याद वही करना बदलना रीसेट sensible caduc scaduta errata sbagliata errada
    abgelaufen geändert gesperrt vergessen zurückgesetzt gespeichert notiert aufgeschrieben hinterlegt verloren
    benötigt verlangt gestohlen gehackt verschlüsselt geschützt eingegeben angegeben abgelehnt akzeptiert aktiviert
    deaktiviert verschickt gesendet geschickt festgelegt gesetzt vergeben kompromittiert generiert erneuert geteilt
    freigegeben blockiert verfallen gedruckt aufgedruckt angezeigt versteckt verborgen geleakt worden geblieben
    expired changed required needed stored saved printed accepted rejected blocked locked unlocked working missing
    forgotten forgot shared compromised leaked encrypted hashed protected masked disabled enabled supposed located
    attached updated created generated emailed mailed texted given provided supplied entered typed failing loading
    showing displayed asked requested recommended revoked deactivated activated deleted removed renewed replaced
    cleared denied declined listed used reused assigned based made meant posted hardcoded verified confirmed
    recognized recognised synced remembered guessed cracked limited allowed changeable readable guessable acceptable
    pending outdated mentioned taped noted filled found misspelled mistyped spelled configured linked tied connected
    associated issued said told delivered managed handled checked tested exposed cached temporary default
    expiring changing coming causing giving getting asking being sticking failed done resetting refused ignored
    invalidated entfallen nowhere bound stuck fixed lapsed resent""".split()
)
"""Adjectives and participles of remarks. Some passwords begin with one too ("correct horse")."""

ROMANCE_PARTICIPLES: Final = (
    r"(?:caduc|expir|olvid|cambi|bloque|guard|actualiz|rechaz|acept|desactiv|activ|anot|apunt|rob|envi|registr|encript"
    r"|cifr|almacen|modific|roub|alter|salv|registad)ad[oa]s?|(?:venc|perd|requer|proteg|restablec|compart|compromet"
    r"|esquec)id[oa]s?|escrit[oa]s?|(?:oubli|expir|chang|bloqu|enregistr|stock|réinitialis|modifi|refus|accept|not"
    r"|affich|imprim|envoy|demand|protég|périm|désactiv|activ|verrouill|vol|pirat|sauvegard|partag|masqu|cach|exig"
    r"|dépass|supprim)ée?s?|(?:écri|compromi|perdu|requi)[ts]?e?s?"
)

FOLLOWS: Final = frozenset(
    """again anyway enough tomorrow yet somewhere everywhere inside below above every each ago everything both either
    between than behind via through across after before during within next per all myself somehow though right
    properly correctly to mehr wieder hier da dort bei von vor nach unter über hinter morgen mañana aquí allí hace vez
    demain ici là plus sur dans avec chez par pour en de con para sin para the a an der die das el la le les
    mujhe mera meri आज कल फिर dobara
    field information data""".split()
)
"""Words that may follow a remark."""

ARTICLES: Final = frozenset("the a an el la los las un una le les une der die das ein eine".split())
OF_NO_PASSWORD: Final = frozenset(
    """same one name problem issue first last default old new only wrong right correct following other way number
    word thing key question reason misma mismo nombre problema otra única même nom problème seul selbe gleiche
    einzige""".split()
)
