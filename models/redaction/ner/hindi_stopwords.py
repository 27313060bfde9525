"""Plain Hindi words that the list of common ones leaves out: numbers, above all those from 27 to 99, the house, work,
food, weather, and the forms of everyday verbs.

They are looked up by their sound (see ``gazetteer``), so one spelling of each is enough.
"""

from __future__ import annotations

_WORDS = """
    शून्य एक दो तीन चार पाँच छह सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस बीस इक्कीस बाईस तेईस
    चौबीस पच्चीस छब्बीस सत्ताईस अट्ठाईस उनतीस तीस इकतीस बत्तीस तैंतीस चौंतीस पैंतीस छत्तीस सैंतीस अड़तीस उनतालीस चालीस
    इकतालीस बयालीस तैंतालीस चवालीस पैंतालीस छियालीस सैंतालीस अड़तालीस उनचास पचास इक्यावन बावन तिरपन चौवन पचपन छप्पन
    सत्तावन अट्ठावन उनसठ साठ इकसठ बासठ तिरसठ चौंसठ पैंसठ छियासठ सड़सठ अड़सठ उनहत्तर सत्तर इकहत्तर बहत्तर तिहत्तर
    चौहत्तर पचहत्तर छिहत्तर सतहत्तर अठहत्तर उन्यासी अस्सी इक्यासी बयासी तिरासी चौरासी पचासी छियासी सत्तासी अट्ठासी
    नवासी नब्बे इक्यानवे बानवे तिरानवे चौरानवे पचानवे छियानवे सत्तानवे अट्ठानवे निन्यानवे सौ हज़ार लाख करोड़ डेढ़ ढाई
    सवा साढ़े पौने आधा पहला दूसरा तीसरा चौथा पाँचवाँ कमरा दरवाज़ा खिड़की बरामदा आँगन सीढ़ी तौलिया बाल्टी झाड़ू पोंछा
    अलमारी चादर तकिया परदा चूल्हा कड़ाही कटोरी चम्मच बल्ब पंखा कूलर फ्रिज स्विच प्लग सॉकेट फ़्यूज़ पंप मोटर मीटर
    रीडिंग यूनिट वाल्व पाइप टंकी नल सील सिलेंडर रुपया रुपए रूपये पैसा रसीद बिल किलो लीटर दर्जन पैकेट डिब्बा rupaye
    rupaya pachattar chheh teis chaabi taala kundi jaali parda dari chatai palang gadda rajai kambal takht mez kursi
    darwaze khidkiyan almirah daraaz shelf kona farsh chhappar munder aangan gali mohalla gaddha naali gutter seelan
    plaster cement rang putai seedhi jharu pochha kachra kooda dhool jaale safai saabun shampoo manjan tel ghee itr
    kanghi sheesha aaina baalti lota mug bartan thaali kadahi tawa belan chakla chimta chhalni kadchhi pateela cooker
    dhakkan gilaas bottle thermos tokri jhola thaila bori dabba pyaala kulhad matka surahi ghada handiya aata maida
    sooji besan chawal daal rajma chana moong masoor urad poha dalia roti paratha poori kachori samosa pakoda khichdi
    sabzi aloo pyaaz tamatar gobhi baingan bhindi lauki karela kaddu mooli gajar palak methi matar shimla mirch adrak
    lahsun dhaniya pudina haldi jeera rai hing namak cheeni gud shahad doodh dahi makkhan paneer malai khoya mithai
    laddu barfi jalebi halwa kheer achaar chutney papad namkeen biskut chai kaafi sharbat lassi nimbu aam kela seb
    angoor santara tarbooz kharbooza papita anaar amrood chiku litchi jamun naariyal badaam kaju kishmish akhrot
    machhli anda garam thanda baasi taaza kachcha pakka meetha khatta teekha kadwa namkeen sookha geela gilaa saaf
    ganda naya purana khaali bhara khula band chaalu tuta phata ghisa dheela kasa bhaari halka lamba chhota bada mota
    patla gehra uthla ooncha neecha seedha tedha gol chaukor naram sakht komal khurdura chikna dhundhla dhundhli
    gadhla saanwla gora peela neela laal hara safed kaala bhoora gulabi baingani narangi dhoop chhaon baarish boonda
    baandi ole kohra paala os aandhi toofan bijli garaj baadal hawa loo umas nami sardi garmi thandak patjhad basant
    saawan mausam taapmaan subah savera dopahar shaam raat aadhi parson tarson somvaar mangalvaar budhvaar guruvaar
    shukravaar shanivaar ravivaar itvaar hafta mahina tareekh chhutti tyohaar sadak pul chauraha naka faatak patri
    gaadi thela riksha tempo truck bus cycle tyre pahiya break petrol diesel kiraya savaari safar bheed jaam raasta
    mod morh galiyara manzil imaarat makaan dukaan bazaar mandi godown karkhana daftar kaaryalay shaakha khidki
    counter kataar line parchi rasid bhugtaan kisht byaaj udhaar chukta bakaya jurmana shulk chhoot daam keemat bhaav
    mehnga sasta muft naap tol vazan lambai chaudai gehrai oonchai dabav bahav reesav taar khamba tower kaanta pech
    nat bolt kabza hathauda pechkas plass rinch aari rassi keel jod nalka tonti borewell tubewell handpump kuan naher
    talaab baandh pani paani khet fasal beej khaad keetnashak gehu dhaan jau bajra makka ganna kapaas sarson bail gaay
    bhains bakri murgi chaara gobar tractor hal kudaal phaavda daranti gamla gamle phool patta patti daali jad ghaas
    ped paudha jhaadi kaanta dawa dawai goli marham patti sui teeka bukhaar khaansi zukaam chhaink dard sujan ghaav
    chot ulti dast kabz chakkar khujli sardard peth kamar ghutna kohni kandha gardan peeth daant aankh naak kaan hont
    jeebh ungli angutha kitaab kaapi kalam syaahi kaagaz panna basta pariksha imtihaan natija chhatra shikshak kaksha
    fees dakhila aavedan prapatra mohar dastakhat muhar praman naqal parichay suchna shikayat sujhaav maang seva
    suvidha yojana labh majdoor mistri karigar thekedaar chowkidaar maali dhobi naai darzi halwai kumhaar lohar badhai
    rajmistri bijliwala doodhwala sabziwala gaadiwala chaiwala akhbaarwala dukaandaar graahak kirayedaar padosi
    mehmaan accha achha theek bilkul zaroor shayad abhi kabhi hamesha aksar phir dobara turant dheere jaldi zyada kam
    thoda bahut kaafi itna utna kitna jitna aisa vaisa kaisa jaisa yahan vahan kahan jahan idhar udhar kidhar upar
    neeche andar bahar aage peeche paas door bagal beech aamne saamne kyonki isliye lekin magar warna taaki jabki agar
    nahin haan ji shukriya alvida namaste
"""

_VERBS = """
    aa ja kar le de rakh uth baith so jaag kha pi pak pakaa ubaal bhigo chhaan kaat chheel pees bhoon tal garma dho
    maanj ponchh jhaad nichod sukh sukhaa tapak beh bah rok ruk chal chalaa bhaag daud ghoom ghumaa mud utar utaar
    chadh chadhaa gir giraa tut tod jod judd phat phaad phent khol khul kas dhak dhaank lag lagaa hat hataa badal badh
    badhaa ghat ghataa bhar nikal nikaal daal khench kheench dhakel dabaa thok gaad khod bo seench ugaa toot kharid
    bech tol naap gin jamaa chuk chukaa likh likhaa padh padhaa bhej mangaa mang maang dekh dikh dikhaa sun sunaa bol
    bataa pooch samajh samjhaa soch bhool yaad mil milaa dhoondh khoj pakad chhod phenk uthaa sambhal sambhaal bach
    bachaa jal jalaa bujh bujhaa pighal jam sikud phool sad gal khil murjhaa kaamp thak haanph chheenk khaans nahaa
    pahan odh seel sil pehn mar lad jeet haar khel naach gaa baj bajaa jhool tair kood phisal atak lipat chipak khisak
    sarak bik pahunch laut lautaa thahar ruk bula pukaar manaa roo hans muskuraa darr daraa sataa chhip chhipaa baant
    baandh sajaa banaa ban sudhaar jaanch parakh naap chhap chhaap
"""
_ENDINGS = """
    na ne ni ta te ti kar ke o iye ie iyega a e i ya ye yi en ega egi enge oonga oongi aana aane aani wana wane wani
    waaya waayi waaye waaiye waao ao aaiye aata aate aati aaya aayi aaye
"""

PLAIN_HINDI: tuple[str, ...] = tuple(
    dict.fromkeys((*_WORDS.split(), *(verb + ending for verb in _VERBS.split() for ending in _ENDINGS.split())))
)
