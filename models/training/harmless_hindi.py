"""Sentences of ours in Hindi, in both scripts, in which nobody is named: house, meters, prices, times, weather, food.

Every other one is learned from (``models.training.fit_heads``); the rest only measures.
"""

from __future__ import annotations

_LINES = """
नल से पीला पानी निकल रहा है।
टंकी आज सुबह से खाली पड़ी है।
बिजली तीन घंटे से गुल है।
गैस का सिलेंडर कल तक आ जाएगा।
छत पर लगा पंखा बहुत शोर करता है।
रसोई की खिड़की का शीशा टूट गया।
दरवाज़े की कुंडी ढीली हो गई है।
दूध वाला आज देर से आया।
आलू तीस रुपये किलो मिल रहा है।
प्याज़ और टमाटर दोनों महँगे हो गए।
दाल में नमक थोड़ा कम है।
चाय में चीनी मत डालना।
चावल धोकर बीस मिनट भिगो दीजिए।
आज दोपहर बहुत तेज़ धूप थी।
कल रात ज़ोर की बारिश हुई।
इस बार सर्दी जल्दी शुरू हो गई।
हवा में नमी ज़्यादा है, कपड़े नहीं सूखते।
दुकान शाम सात बजे बंद होती है।
बस साढ़े आठ बजे निकलती है।
बैठक ग्यारह बजे से है, समय पर आ जाना।
मीटर का शीशा धुँधला है, अंक साफ़ नहीं दिखते।
मीटर पर छह हज़ार दो सौ चौदह लिखा है।
पिछले महीने की रीडिंग नौ सौ बारह थी।
यूनिट का दाम साढ़े सात रुपये है।
बिल में दो सौ रुपये ज़्यादा जुड़े हैं।
रसीद संभालकर रखिए, बाद में काम आएगी।
पाइप के जोड़ से पानी टपक रहा है।
मोटर चालू करते ही फ़्यूज़ उड़ जाता है।
वाल्व पूरा खोलने पर भी दबाव कम रहता है।
बोरवेल की गहराई डेढ़ सौ फ़ुट है।
फ़ॉर्म के दूसरे पन्ने पर मोहर लगवाइए।
दफ़्तर की छुट्टी सोमवार को रहेगी।
नई मशीन अगले हफ़्ते लगाई जाएगी।
कृपया फ़ोटो दोबारा भेज दीजिए।
लाइन में लगने की ज़रूरत नहीं है।
ऐप खुलते ही अपने आप बंद हो जाता है।
पासवर्ड भूल जाने पर क्या करना होगा?
शिकायत दर्ज करने की आख़िरी तारीख़ क्या है?
मुझे आधा किलो पनीर और एक पैकेट मक्खन चाहिए।
सब्ज़ी मंडी यहाँ से दो किलोमीटर दूर है।
बच्चों की फ़ीस हर तिमाही में जमा होती है।
गमलों में सुबह-शाम पानी देना पड़ता है।
कूड़ा उठाने वाली गाड़ी आज नहीं आई।
सड़क पर गड्ढे हैं, गाड़ी धीरे चलाना।
लिफ़्ट ख़राब है, सीढ़ियों से जाइए।
इतनी गर्मी में पंखे से काम नहीं चलता।
फ़सल कटने में अभी पंद्रह दिन बाकी हैं।
खेत तक नहर का पानी नहीं पहुँचता।
हाँ, ठीक है, परसों मिलते हैं।
नहीं, अभी कोई ज़रूरत नहीं।
जी, समझ गया।
धन्यवाद, आपका दिन शुभ हो।
कितना समय लगेगा?
पहले ऊपर वाला कमरा साफ़ कर दो।
चाबी मेज़ की दराज में रखी है।
दीवार पर सीलन आ गई है।
साबुन और तौलिया बाथरूम में है।
रोटी गरम है, सब्ज़ी ठंडी हो गई।
टिकट का दाम डेढ़ सौ से दो सौ हो गया।
गाड़ी में पेट्रोल कम है।
दवा खाने के बाद लेनी है।
बुखार उतर गया, खाँसी अब भी है।
स्कूल आठ बजे शुरू होता है।
परीक्षा मार्च के दूसरे हफ़्ते में है।
इस योजना का लाभ किसानों को मिलेगा।
पुल की मरम्मत अप्रैल तक चलेगी।
बाज़ार में आज भीड़ कम थी।
उनतालीस, चालीस, इकतालीस।
सात सौ पचहत्तर रुपये कुल हुए।
एक दर्जन केले साठ रुपये के हैं।
तार काटने से पहले मेन स्विच बंद करें।
ढक्कन घुमाकर खोलिए, ज़ोर मत लगाइए।
सील टूटी हुई थी, इसलिए नई लगाई।
पानी उबालकर ही पीजिए।
कपड़े धोने की मशीन पानी नहीं खींच रही।
nal se ganda paani nikal raha hai
tanki subah se khaali padi hai
light teen ghante se gayi hui hai
gas ka cylinder kab tak aayega
pankha bahut awaaz karta hai
rasoi ki khidki toot gayi hai
darwaze ka taala kharab ho gaya
doodh aaj mehnga ho gaya hai
aloo tees rupaye kilo hai
pyaaz aur tamatar dono khatam ho gaye
daal mein namak kam hai
chai mein cheeni zyada mat daalna
chawal bees minute bhigo do
aaj dhoop bahut tez hai
kal raat zor ki baarish hui thi
is saal thand jaldi aa gayi
bahar kohra hai gaadi dheere chalana
dukaan shaam ko saat baje band hoti hai
bus saadhe aath baje nikalti hai
meeting gyarah baje hai late mat hona
meter ka kaanch saaf nahi hai
meter par chhe hazaar do sau chaudah likha hai
pichhle mahine ki reading nau sau barah thi
ek unit ka rate kya chal raha hai
bill mein do sau rupaye extra lag gaye
bill jama karne ki aakhri tareekh kab hai
rasid sambhal kar rakhna
pipe ke jod se paani tapak raha hai
motor chalate hi fuse udd jaata hai
pressure bahut kam hai upar ki manzil par
borewell ki gehrai dedh sau foot hai
form ke dusre panne par mohar chahiye
office somvaar ko band rahega
nayi machine agle hafte lagegi
photo dhundhli hai dobara khicho
app khulte hi band ho jaati hai
password bhool gaya ab kya karu
complaint kahan likhwani hai
mujhe aadha kilo paneer chahiye
sabzi mandi kitni door hai
bachchon ki fees bharni hai
gamle mein paani daal dena
kachre wali gaadi aaj nahi aayi
sadak par bahut gaddhe hain
lift kharab hai seedhi se aao
itni garmi mein kaam nahi hota
haan theek hai parson milte hain
nahi abhi zaroorat nahi
kitna time lagega
achha samajh gaya
chaabi mez par rakhi hai
deewar par seelan aa gayi hai
roti garam hai sabzi thandi ho gayi
ticket ka daam badh gaya hai
gaadi mein petrol kam hai
dawai khane ke baad leni hai
bukhaar utar gaya khansi abhi bhi hai
school aath baje khulta hai
untaalees chaalees iktaalees
saat sau pachattar rupaye hue
ek darjan kele saath rupaye ke hain
taar kaatne se pehle main switch band karo
dhakkan ghuma kar kholo
seal tooti hui thi isliye nayi lagayi
paani ubaal kar hi peena
washing machine paani nahi kheench rahi
do number wala pump chalu karo
teesri manzil ka nal band kar do
paanch litre tel aur ek kilo besan
hafte mein do din safai hoti hai
salary har mahine ki pehli ko aati hai
overtime ka paisa alag se milega
kaam khatam karke bata dena
aaj chhutti hai kal se kaam shuru
neend nahi aati garmi ki wajah se
"""

_ALL = tuple(("hi", line) for line in _LINES.strip().splitlines())

LEARNED_HINDI: tuple[tuple[str, str], ...] = _ALL[::2]
"""For the fit."""

MEASURED_HINDI: tuple[tuple[str, str], ...] = _ALL[1::2]
"""Never learned from; the bar for Hindi was chosen by them."""
