"""Sentences of ours from onboarding in which nobody is named: appliances, meters, deliveries, appointments, complaints.

Redaction was tuned on every other one (``TUNED_VISITS``); the rest only measures.
"""

from __future__ import annotations

_LINES = (
    (
        "de",
        """
        Die Seriennummer lautet 32145678.
        Der Zählerstand beträgt heute 48217.
        Meine Bestellnummer ist 4471902.
        Das Gerät ist ein Modell XY 4711 aus dem Jahr 2019.
        Seit gestern haben wir kein Wasser im Bad.
        Der Bosch Geschirrspüler zeigt den Fehler E24 an.
        Die Waschmaschine von Miele schleudert nicht mehr.
        Bitte liefern Sie den Kühlschrank am Donnerstag zwischen 14 und 16 Uhr.
        Auftragsnummer 88203417, Status offen.
        Gerätenummer: 20394857
        Können Sie den Termin auf nächste Woche verschieben?
        Rufen Sie bitte einen Techniker, das Rohr tropft wieder.
        Zählernummer 1EMH0012345678, Stand 12345,6 kWh.
        Der Paketbote hat das Paket beim Nachbarn abgegeben.
        Heizung bleibt kalt, obwohl das Thermostat auf fünf steht.
        Ventil im Keller klemmt, Dichtung ist porös.
        Ich möchte eine Beschwerde einreichen, weil niemand gekommen ist.
        Artikelnummer 40021234 ist nicht mehr lieferbar.
        Guten Tag, ich wollte fragen, wann die Lieferung kommt.
        Vorgangsnummer 5501238 habe ich schon notiert.
        Unsere Siemens Kaffeemaschine heizt nicht auf.
        Die Rechnung über 249,90 Euro ist doppelt gekommen.
        Typ WM14N, Baujahr 2021, Seriennummer FD 9902 00451.
        Ablesung vom Montag: Wasser 00342, Strom 17785.
        Schlüssel liegt im Briefkasten, Tor ist offen.
        Strom ist seit heute Morgen um sieben weg.
        Der Staubsauger von Vorwerk macht komische Geräusche.
        Kunde war nicht zu Hause, neuer Versuch am Freitag.
        Auf dem Typenschild steht 230 Volt und 2200 Watt.
        Baustelle Nord, Halle 3, Pumpe 12 läuft nicht.
        der zähler steht auf siebenundvierzigtausend achthundert
        meine seriennummer ist drei zwei eins vier fünf sechs sieben acht
        also der trockner von der firma beko geht einfach nicht an
        nein das wasser läuft gar nicht mehr ab
        Sendungsnummer 00340434161094 wurde noch nicht zugestellt.
        Meldung F 21 blinkt, danach schaltet das Gerät ab.
        Werk Süd meldet Druckabfall um 3,2 bar.
        Garantie läuft bis März 2026, Kaufbeleg liegt vor.
        Fehlercode 4711 erscheint nach jedem Neustart.
        Rauchmelder piept alle dreißig Sekunden, Batterie ist neu.
        """,
    ),
    (
        "es",
        """
        El número de serie es 32145678.
        La lectura del contador es 48217.
        Mi número de pedido es 4471902.
        La lavadora Balay no centrifuga.
        Balay cuesta menos que Bosch.
        El lavavajillas Fagor pierde agua por abajo.
        Modelo XY 4711, comprado en marzo.
        Quiero cambiar la cita para el jueves por la tarde.
        El técnico no vino ayer y nadie me avisó.
        Número de incidencia 5501238, sigue abierta.
        La entrega estaba prevista entre las 14:00 y las 16:00.
        Ref. 40021234, color blanco, dos unidades.
        Caldera Junkers con error EA y sin agua caliente.
        Lectura anterior 12045, lectura actual 12398.
        Llevamos dos días sin luz en la nave 4.
        Nevera nueva, hace mucho ruido por la noche.
        Reclamación por la factura de enero: 89,50 euros de más.
        Contador de gas número 20394857, precinto intacto.
        Buenos días, llamo porque la tele Samsung no enciende.
        Necesito el manual de la cafetera Delonghi.
        Albarán 77120456 firmado en el almacén.
        Fuga en la tubería del sótano, llave de paso cerrada.
        Pedido 88203417 entregado en el punto de recogida.
        Horno Teka, código de error F04 desde el martes.
        Cuesta treinta y cinco euros la revisión.
        Obra del Parque Sur, bomba 12 parada.
        Sale agua marrón del grifo desde esta mañana.
        Matrícula no hace falta, solo el número de factura 2024118.
        Garantía hasta marzo de 2026 con el tique de compra.
        Quedamos a las nueve y media en la puerta principal.
        la lectura es cuatro ocho dos uno siete
        el número de serie es tres dos uno cuatro cinco seis siete ocho
        la secadora beko no arranca y huele a quemado
        no funciona el mando del aire acondicionado
        Expedición 00340434161094 en reparto.
        Presión de la red: 3,2 bar a las 10:30.
        Termo Cointra de 80 litros, gotea por la válvula.
        Tarifa nocturna, consumo 342 kWh en febrero.
        Placa de características: 230 V, 2200 W.
        Sello roto en el contador del portal dos.
        """,
    ),
    (
        "fr",
        """
        Le numéro de série est 32145678.
        Le relevé du compteur est de 48217.
        Ma commande 4471902 n'est pas arrivée.
        Mon robot Moulinex ne démarre plus.
        Moulinex ne répond pas au service après-vente.
        Le lave-vaisselle Brandt fuit par la porte.
        Modèle XY 4711, acheté en mars.
        Je voudrais déplacer le rendez-vous à jeudi après-midi.
        Le technicien n'est pas passé hier et personne n'a prévenu.
        Numéro de dossier 5501238, toujours ouvert.
        La livraison était prévue entre 14 h et 16 h.
        Réf. 40021234, couleur blanche, deux unités.
        Chaudière Frisquet en panne, plus d'eau chaude.
        Relevé précédent 12045, relevé actuel 12398.
        Pas de courant depuis deux jours dans le bâtiment 4.
        Frigo neuf, il fait du bruit la nuit.
        Réclamation sur la facture de janvier : 89,50 euros en trop.
        Compteur de gaz numéro 20394857, plomb intact.
        Bonjour, j'appelle parce que la télé Samsung ne s'allume plus.
        J'ai besoin de la notice de la cafetière Krups.
        Bon de livraison 77120456 signé à l'entrepôt.
        Fuite dans la cave, vanne fermée.
        Commande 88203417 déposée au point relais.
        Four Sauter, code erreur F04 depuis mardi.
        Coûte combien le déplacement d'un réparateur ?
        Chantier du Parc Sud, pompe 12 à l'arrêt.
        Eau marron au robinet depuis ce matin.
        Serrure cassée, clé chez la gardienne.
        Garantie jusqu'en mars 2026 avec le ticket de caisse.
        Rendez-vous à neuf heures et demie devant l'entrée principale.
        le relevé c'est quatre huit deux un sept
        le numéro de série est trois deux un quatre cinq six sept huit
        mon sèche-linge beko ne démarre plus et sent le brûlé
        y a plus d'eau chaude depuis lundi
        Colis 00340434161094 en cours d'acheminement.
        Pression du réseau : 3,2 bars à 10 h 30.
        Ballon Atlantic de 200 litres, la soupape goutte.
        Tarif de nuit, consommation 342 kWh en février.
        Plaque signalétique : 230 V, 2200 W.
        Aspirateur Rowenta, le tuyau est bouché.
        """,
    ),
    (
        "hi",
        """
        यह फ़्रिज 1250 रुपये का है।
        कुल ₹1250 जमा करने हैं।
        मरम्मत में तीन हज़ार रुपये लगे।
        रीडिंग एक दो तीन चार पाँच है।
        मीटर में शून्य दिख रहा है।
        इस महीने 342 यूनिट की खपत हुई।
        दफ़्तर यहाँ से 12 किलोमीटर दूर है।
        तकनीशियन सुबह 10 बजे आएगा।
        डिलीवरी शाम साढ़े चार बजे होनी थी।
        सीरियल नंबर 32145678 मशीन के पीछे लिखा है।
        ऑर्डर नंबर 4471902 अभी नहीं पहुँचा।
        वॉशिंग मशीन से पानी टपक रहा है।
        शिकायत संख्या 5501238 अभी खुली है।
        गीज़र गरम नहीं हो रहा है।
        कृपया मंगलवार की जगह गुरुवार को आइए।
        पिछली रीडिंग 12045 थी, अब 12398 है।
        बिल 2,450 रुपये का आया है, बहुत ज़्यादा है।
        शून्य आठ दो एक सात मीटर की रीडिंग है
        पाँच सौ रुपये एडवांस देने होंगे
        ढाई हज़ार यूनिट तक का रेट अलग है
        पंप नंबर 12 बंद पड़ा है, दबाव 3 बार है।
        मॉडल XY 4711, वारंटी 2026 तक।
        वोल्टेज 230 वोल्ट की जगह 180 वोल्ट आ रहा है।
        रजिस्टर के पेज 14 की फ़ोटो भेजिए।
        एक घंटे से बिजली नहीं है।
        ac ki service 1500 rupaye mein hogi
        reading ek do teen char paanch hai
        fridge kharab ho gaya hai, technician kab aayega
        meter mein shunya aath do ek saat dikh raha hai
        order number 4471902 abhi tak nahi aaya
        Bill Rs 2450 ka aaya hai, bahut zyada hai.
        site par pump band pada hai subah se
        delivery kal shaam 5 baje hogi kya
        serial number 32145678 likha hai peeche
        complaint number 5501238 ka kya hua
        teen hazaar do sau rupaye advance diya tha
        godown 12 kilometre door hai highway se
        samsung ki washing machine awaaz kar rahi hai
        reading 12398 unit hai is mahine ki
        aaj meter reader nahi aaya, kal bhejiye
        """,
    ),
)

_ALL = tuple((language, line.strip()) for language, lines in _LINES for line in lines.strip().splitlines())

TUNED_VISITS: tuple[tuple[str, str], ...] = _ALL[::2]
"""(language, sentence); looked at while words and endings were collected."""

MEASURED_VISITS: tuple[tuple[str, str], ...] = _ALL[1::2]
"""The same, never looked at."""
