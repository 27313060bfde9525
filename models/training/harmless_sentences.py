"""Sentences of ours in which nobody is named, for fitting and for the ablation; (language, sentence)."""

from __future__ import annotations

HARMLESS: tuple[tuple[str, str], ...] = tuple(
    (language, line.strip())
    for language, lines in (
        (
            "en",
            """
            Meter 04821
            Water meter 12
            Serial 8837-A
            is the Marriott near the Tate Gallery
            did Walmart and Home Depot charge me twice
            Cheers, bye for now
            Yes please, that works for me
            The water meter reads 04821.7 cubic metres.
            Meter number 88213456, reading 01234, seal intact.
            I am at the Riverside site to read the gas meter.
            This is the third visit to the Elm Park pumping station.
            Please confirm that the pressure valve in block C was closed.
            The meter is in the basement behind the blue door.
            My manager asked for a photo of the register before Friday.
            Can I bring my dog to the Grand Plaza Hotel in July?
            Which rate does the Gold Saver account pay?
            Supper for four on Saturday, seven thirty if that suits.
            Hello, thanks for calling Northern Water, how can I help?
            Good morning, is this the support desk of Acme Utilities?
            Dear customer, your invoice of 12 March is attached.
            The technician will come on Monday between nine and eleven.
            Open Settings, then Privacy, and turn on Location Services.
            Chicago beat Boston by three points on Sunday.
            The new Pixel has a better camera than the Galaxy.
            how do i reset my password on the app
            are you open tomorrow and until when
            my reading is four eight two one seven and the meter is digital
            the pump makes a loud noise since last night
            two beds please and windows to the sea
            Rose bushes along the fence hide the hydrant.
            Mark the box on page two and sign below.
            Will the art museum be open in May or June?
            Press Enter to continue, or Escape to cancel.
            The Bill was passed by Parliament in the spring.
            Jordan and Georgia signed a trade agreement in Paris.
            The Ford was parked in front of the bank.
            Faith in the process grew after the second test.
            We installed a Siemens pump and a Honeywell sensor.
            Please enter the serial number that is printed on the housing.
            The register shows 48 217 and the red digits show 3 5 2.
            Your session has expired, sign in again with your code.
            """,
        ),
        (
            "de",
            """
            Zähler 04821
            Messung um 14 Uhr
            Ja, genau, am Dienstag
            Der Wasserzähler steht auf 04821,7 Kubikmetern.
            Die Ablesung erfolgt am Montag zwischen acht und zehn Uhr.
            Bitte prüfen Sie das Ventil im Keller der Anlage Nord.
            Ich bin am Standort Hafenstraße und lese den Zähler ab.
            Sehr geehrte Damen und Herren, anbei erhalten Sie die Rechnung.
            Die Stadtwerke München melden eine Störung in der Leitung.
            Der Zählerstand ist schwer zu lesen, das Glas ist trüb.
            Im Winter wird der Hausanschluss mit Stroh geschützt.
            Der Bus nach Hamburg fährt um halb neun vom Bahnhof ab.
            Das Unternehmen stellt Pumpen, Filter und Rohre her.
            Im Berg wurde ein neuer Stollen für die Wasserversorgung gegraben.
            Die Mannschaft gewann das Spiel in Bremen mit zwei Toren.
            Das Projekt wurde von der Europäischen Union gefördert.
            wie lautet die nummer auf dem typenschild
            der zähler hängt hinter der tür im flur
            """,
        ),
        (
            "es",
            """
            Contador 04821
            Sí, el martes por la tarde
            El contador de agua marca 04821,7 metros cúbicos.
            Estoy en la estación de bombeo del Parque Norte.
            La lectura se hará el lunes entre las ocho y las diez.
            El juzgado archivó la denuncia en octubre.
            La empresa instaló una válvula nueva en el sótano.
            ¿Puedo reservar una mesa para cuatro el sábado?
            El Gobierno español firmó el acuerdo en Ginebra.
            no puedo leer los números porque el cristal está sucio
            """,
        ),
        (
            "fr",
            """
            Compteur 04821
            Oui, mardi après-midi
            Le compteur d'eau indique 04821,7 mètres cubes.
            Je suis à la station de pompage du Parc Nord.
            Le relevé aura lieu lundi entre huit et dix heures.
            Le tribunal a classé la plainte en octobre.
            La société a posé une vanne neuve dans la cave.
            Le Gouvernement français a signé l'accord à Genève.
            Veuillez envoyer une photo du registre avant vendredi.
            je n'arrive pas à lire les chiffres, la vitre est sale
            """,
        ),
        (
            "hi",
            """
            मीटर 04821
            हाँ, मंगलवार को
            पानी के मीटर की रीडिंग चार हज़ार आठ सौ इक्कीस है।
            मीटर तहखाने में नीले दरवाज़े के पीछे लगा है।
            कृपया सोमवार तक रजिस्टर की फ़ोटो भेज दें।
            इस गाँव में पानी की नई पाइपलाइन बिछाई गई है।
            बिजली का बिल ऑनलाइन कैसे जमा करें?
            दिल्ली और मुंबई के बीच नई रेलगाड़ी चलेगी।
            सरकार ने जल संरक्षण के लिए नई योजना शुरू की है।
            पंप कल रात से बहुत आवाज़ कर रहा है।
            मुझे चार लोगों के लिए एक मेज़ चाहिए।
            meter ki reading char hazaar aath sau ikkees hai
            kripya photo saaf kheenchiye, number dikh nahi raha
            pani ka bill kab tak jama karna hai
            """,
        ),
    )
    for line in lines.strip().splitlines()
)

_BRANDS = """
Sainsbury's;Morrisons;John Lewis;Boots;Lloyds;Santander;Wells Fargo;Chase;Morgan Stanley;Charles Schwab;Goldman Sachs;
Hilton;Radisson;Holiday Inn;Starbucks;Costa;McDonald's;Wendy's;Domino's;Nando's;Greggs;Ford;Mercedes;Porsche;Siemens;
Bosch;Philips;Dell;Disney;Adidas;Chanel;Dior;Armani;Gucci;Louis Vuitton;Calvin Klein;Tommy Hilfiger;Harrods;Selfridges;
Primark;Aldi;Edeka;Rossmann;Müller;Deichmann;Carrefour;Leclerc;Auchan;Zara;Mango;Tata;Bajaj;Mahindra;Walmart;Macy's;
Trader Joe's;Dr Pepper;Jack Daniel's;Johnson and Johnson;Grundfos;Honeywell;Vodafone;Thames Water;Severn Trent"""
_FRAMES = """is there a {} near the station;the refund from {} has not arrived;{} is closed on Sundays;
I bought the pump at {};We ordered it from {};the valve was made by {};the meter by {} is broken;
{} raised its prices again;my invoice from {} is wrong;the {} next to the town hall"""

COMPANIES: tuple[tuple[str, str], ...] = tuple(
    ("en", frame.strip().format(name if number % 3 else name.lower()))
    for number, name in enumerate(_BRANDS.replace("\n", "").split(";"))
    for place, frame in enumerate(_FRAMES.replace("\n", "").split(";"))
    if (number + place) % 3 == 0
)
"""Shops, banks and makers that are called like people."""
