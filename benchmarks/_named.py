"""Sentences with names of people in braces, as (language, sentence). Nothing was tuned on them; the ablation and the
tests use them.
"""

from __future__ import annotations

_SENTENCES = (
    (
        "en",
        """
        This is {Siobhan Gallagher} from the Leeds office.
        My manager {Okwudili} signed the form on Tuesday.
        {Priyanka} said that the valve was already closed.
        Please hand the key to {Tomasz Wrobel} or to {Beth}.
        yesterday {dmitri} and {yolanda} walked round the plant
        Nobody but {Marguerite} knew that the seal was broken.
        Ask {J. P. Thistlewood} whether the report is final.
        i saw {kendrick} at the gig last night lol
        {Rose} told {Mark} that the bill was wrong.
        The inspector, a certain {Fitzwilliam}, came by at noon.
        """,
    ),
    (
        "de",
        """
        {Wiebke Petersen} hat den Zähler gestern abgelesen.
        Laut {Brandt} war das Ventil schon im Mai undicht.
        Die Unterschrift stammt von {Heinz-Dieter Kowalke}.
        Der Monteur {Ylmaz} kommt am Donnerstag noch einmal.
        {Annegrets} Bericht liegt seit Montag im Büro.
        Herr {Zimmermann} und Frau {Schäfer} waren nicht da.
        Im Keller traf er auf {Jürgen} und dessen Bruder {Uwe}.
        """,
    ),
    (
        "es",
        """
        Me llamo {Itziar Echevarría} y llamo por la factura.
        El técnico {Anselmo} dejó la llave en la portería.
        Según {Marisol Quintanilla}, la tubería estaba rota.
        La señora {Larrazábal} no firmó el acta.
        """,
    ),
    (
        "fr",
        """
        Je m'appelle {Gwenaëlle Le Goff} et j'habite ici.
        Le technicien {Thibault} a laissé la clé chez {Solange}.
        Selon {Bérengère Vasseur}, la vanne fuyait déjà.
        M. {Delacourt} refuse de signer le procès-verbal.
        """,
    ),
    (
        "hi",
        """
        मेरा नाम {सुरेश पाटिल} है और मैं मीटर देखने आया हूँ।
        {कविता} ने कहा कि पंप खराब है।
        श्री {हरीश वर्मा} ने फ़ॉर्म पर हस्ताक्षर किए।
        कल {दीपक} और {मीना} से बात हुई थी।
        mera naam {rakesh yadav} hai aur main mumbai se hoon
        {sunita} ji ne bola ki meter band hai
        """,
    ),
)


def named() -> list[tuple[str, str, list[tuple[int, int]]]]:
    """(language, text, spans of the names)."""
    result = []
    for language, lines in _SENTENCES:
        for line in lines.strip().splitlines():
            text, spans = "", []
            for part in line.strip().split("{"):
                name, closed, rest = part.partition("}")
                if closed:
                    spans.append((len(text), len(text) + len(name)))
                text += name + rest
            result.append((language, text, spans))
    return result


UNNAMED: tuple[tuple[str, str], ...] = tuple(
    (language, line.strip())
    for language, lines in (
        (
            "en",
            """
            The flange on the north side has to be tightened again.
            Hello, this is about the reading from last month.
            I was charged twice for the train to Liverpool.
            Could you put me through to the billing department?
            Meter 00482 reads 7719, the seal is broken.
            the boiler makes a clicking sound every few minutes
            Under the table you will find the main valve.
            Sign here and keep the yellow copy.
            We open at nine, except on Good Friday.
            Amazon and Lidl both refused the refund.
            A grant from the Ministry of Energy paid for the pipes.
            Dear team, please find the minutes below.
            """,
        ),
        (
            "de",
            """
            Die Pumpe im Erdgeschoss läuft seit gestern nicht mehr.
            Zählerstand 7719, Plombe beschädigt.
            Der Vertrag mit den Stadtwerken Leipzig endet im Herbst.
            Bitte unterschreiben Sie auf der zweiten Seite.
            Die Straße nach Süden war wegen Bauarbeiten gesperrt.
            """,
        ),
        (
            "es",
            """
            La bomba del sótano no funciona desde ayer.
            El contrato con la empresa de aguas termina en otoño.
            Firme en la segunda página, por favor.
            """,
        ),
        (
            "fr",
            """
            La pompe du sous-sol ne marche plus depuis hier.
            Le contrat avec la régie des eaux finit en automne.
            Signez sur la deuxième page, s'il vous plaît.
            """,
        ),
        (
            "hi",
            """
            तहखाने का पंप कल से बंद है।
            कृपया दूसरे पन्ने पर हस्ताक्षर करें।
            नया मीटर अगले हफ़्ते लगाया जाएगा।
            """,
        ),
    )
    for line in lines.strip().splitlines()
)
"""Sentences without names. Nothing was tuned on them."""
