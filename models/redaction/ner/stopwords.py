"""Words of every day in German, Spanish, French and Hindi which the classifier takes for names: things of a house,
meters, deliveries, visits, complaints.

Must NOT be listed: what is a surname or a given name too ("Keller", "Cuesta", "Fontaine", "Robin", "Caldera", "Pilar").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from models.redaction.ner.suffixes import ends_like_no_name
from models.redaction.normalize.transliterate import romanize_word
from models.redaction.normalize.view import TextView


def _of(words: str) -> frozenset[str]:
    return frozenset(unicodedata.normalize("NFC", words).split())


_NONE: Final[frozenset[str]] = frozenset()
_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "de": _of(
        """ablesung abfluss adresse anfrage anschluss antwort anzeige auftrag auskunft batterie baujahr baustelle
        bestellung beschwerde bitte boiler dichtung display druck durchlauferhitzer einbau einzug
        elektriker entkalker erdgeschoss ersatzteil fehler fehlercode fehlermeldung fernseher filter
        foto garantie gebäude gerät gerätenummer geschirrspüler grundstück guten hauptschalter
        hausmeister hausanschluss heizkörper heizung installateur installation kaffeemaschine kanal
        kassenbon kundin kundendienst kühlschrank kühltruhe leitung lieferschein lieferung liefertermin
        lüftung mahnung mechaniker meldung messung mieter monteur montage nachbarin netz paket paketbote
        plombe pumpe quittung rauchmelder rechnung reklamation reparatur rohrbruch rückgabe rückmeldung
        rückruf schalter schlüssel sensor seriennummer sicherung spüle spülmaschine standort staubsauger
        steckdose störung stromzähler techniker termin thermostat trockner tür typ typenschild
        unterlagen ventil verbrauch versand vertrag vorgang wartung waschbecken waschmaschine wasser
        wasserhahn wasserzähler wasserdruck werkstatt wohnung zahlung zähler zählerstand wasserstand
        kontostand zählernummer ziffern zugang zylinder bringen brummt fehlt funktioniert geht geliefert
        gestern heute heizt meldet hängt kaputt kommt leckt leider läuft löscht niemand piept pumpt
        schleudert seit startet steht stinkt tropft undicht wackelt wurde zeigt duschkopf spülkasten
        kochfeld dachrinne fassade beipackzettel papierstau backofen rollladen rolladen markise balkon
        treppenhaus geländer fliese fliesen mülltonne aufzug fahrstuhl dämmung isolierung estrich tapete
        abschlag gutschrift erstattung wlan router toaster mixer föhn bügeleisen herdplatte ceranfeld
        dunstabzugshaube zündet qualmt klemmt verstopft defekt schrauben schraube karton verpackung
        inhalt"""
    ),
    "es": _of(
        """albarán almacén aspiradora avería averías aviso bomba bombona botón cafetera calentador calefacción cita
        cliente clienta cocina código comprobante consumo contador congelador contrato cristal cuadro
        cuándo depósito desagüe devolución edificio electricista embalaje encargo enchufe entrega envío
        error estropeado factura fecha filtro fontanero frigorífico fuga garantía gasto goteo grifo
        horno incidencia instalación interruptor lavadora lavavajillas lectura lecturas manguera medidor
        mensajero microondas modelo motor nevera paquete pantalla pedido pieza pila placa plancha plazo
        precinto presión presupuesto proveedor queja reclamación recibo reembolso registro reparación
        repartidor repuesto retraso ruido sello serie sótano secadora tarifa técnico televisor termo
        termostato tique tubería tubo turno ubicación válvula vecino visita vitrocerámica vivienda
        voltaje agua arranca apagado centrifuga cerrado chirría cortada cuándo desde enciende encendido
        faltan funciona gotea hace huele llegó llevamos necesito pierde quiero quisiera roto salta sigue
        suena persiana persianas canalón arqueta azotea balcón barandilla baldosa baldosas cerradura
        cisterna ducha inodoro lavabo fregadero escalera ascensor timbre toldo tejado tornillo tornillos
        cartón impresora tostadora batidora secador cubo basura recambio regulador disyuntor diferencial
        alcantarilla desatascador quemador vitro wifi atascada atascado rajado inundada moja fachada"""
    ),
    "fr": _of(
        """abonnement adresse appareil armoire ascenseur aspirateur attente ballon bâtiment bouteille bruit
        cafetière câble chaudière chauffage chauffe-eau chantier client cliente clé colis commande
        compteur congélateur conso consommation contrat coupure cuisine cuve débit délai dépannage
        détecteur digicode eau écran électricien électricité emballage entrepôt entretien erreur étage
        évier facture fenêtre filtre fuite fusible garantie grille-pain groupe heure humidité immeuble
        index installation intervention interrupteur joint lave-linge lave-vaisselle lave vaisselle
        livraison livreur lumière manomètre matériel micro-ondes mitigeur modèle moteur notice panne
        pièce plainte plaque plomb plombier pompe pression prise radiateur réclamation réfrigérateur
        registre règlement relevé rendez-vous réparateur réparation retard réseau scellé sèche-linge
        sèche serrure signalétique sonnette soupape surpresseur tableau technicien téléviseur télé
        ticket tuyau tuyauterie usine vanne ventilation vitre voltage voyant arrive attends besoin cassé
        cassée coule coûte démarre depuis fonctionne fuit goutte manque merci répond reste siffle sent
        tombe gouttière volet volets balcon rambarde carrelage chasse douche lavabo miroir escalier
        interphone store toiture tuile imprimante mixeur sèche-cheveux poubelle poubelles brûleur
        déboucheur disjoncteur différentiel évacuation égout siphon moisissures moisissure vmc wifi
        façade bruyant bruyante chaleur soir lundi mercredi jeudi vendredi samedi dimanche juin juillet
        août septembre octobre novembre décembre"""
    ),
    "hi": _of(
        """subah shaam dopahar raat aaj abhi baje cylinder unit fridge motor nal tanki bijli paani technician
        delivery order rasid"""
    ),
}

_LOANS = """
    वॉशर टोस्टर गीज़र फ्रिज मोटर सिलेंडर ट्रांसफॉर्मर इन्वर्टर बैटरी स्विच वोल्टेज रिचार्ज प्लंबर इलेक्ट्रीशियन तकनीशियन मैकेनिक
    कनेक्शन वारंटी गारंटी डिलीवरी पार्सल कूरियर रसीद शिकायत ऑर्डर मीटर रीडिंग यूनिट मिक्सर ग्राइंडर कूलर फिल्टर पाइप वाल्व
    सेंसर डिस्प्ले बटन नल टंकी पानी बिजली गैस दुकान दफ्तर गोदाम मरम्मत किस्त खपत
"""
"""Words in Devanagari; the classifier reads them in Latin letters, and so they are looked up."""
_PLAIN_HINDI = _WORDS["hi"] | frozenset(map(romanize_word, _LOANS.split()))

_SMALL: Final[Mapping[str, frozenset[str]]] = {
    "es": _of(
        """aire arriba botones cable cables caja cajas calle casa cuesta cuestas correa falla fallas fuente goma
        luz llave llaves marca nave pita portal puerta rota sale torre vino marrón blanco rojo pozo
        caldera calderas mesa barrera plaza puente bajo bueno buena casas"""
    ),
    "fr": _of(
        """avis blanche bon bonne bouton boutons cave caves courant date devis fontaine gaz gris jardin linge
        marche marron moulin noir paquet pile piles place porte portes poste puits robinet robinets
        sonne tarif vert gardien gardienne concierge plancher four fours"""
    ),
}
"""Those that are names when they begin with a capital; only for a text that has capitals."""


def is_everyday(view: TextView, start: int, end: int, language: str, *, cased: bool = False) -> bool:
    """Whether the word at [start, end) of a text in this language is none that anybody is called.

    Args:
        view: The text.
        start: Of the word.
        end: Of the word.
        language: ISO 639-1.
        cased: Whether whoever wrote the text uses capitals.
    """
    words = _PLAIN_HINDI if language == "hi" or view.kind == "romanized" else _WORDS.get(language, _NONE)
    word = view.lower[start:end]
    small = cased and view.text[start:end] == word
    if word in words or ends_like_no_name(word, language, small=small):
        return True
    return small and word in _SMALL.get(language, _NONE)


def uses_capitals(view: TextView, language: str) -> bool:
    """Whether small letters say something in a text.

    In German every noun has a capital; elsewhere the first word must do, which keyboards of phones give one too.
    """
    if language == "de":
        return _NOUN.search(view.text) is not None
    return view.text[:1].isupper() or _NOUN.search(view.text) is not None


_NOUN = re.compile(r"[^\W\d_],? [A-ZÄÖÜÀÉÈÊÍÓÚ][a-zà-ÿ]")
