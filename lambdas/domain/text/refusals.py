"""Does a model decline to answer? A cautious rule: a short text that begins with declining, nothing else.

The languages are those that Amazon Nova is optimized for (Amazon Nova user guide, "What is Amazon Nova"): English,
German, Spanish, French, Italian, Japanese, Korean, Arabic, Chinese, Russian, Hindi, Portuguese, Dutch, Turkish, Hebrew.
"""

# ruff: noqa: E501, RUF001 - a form in one line is read more easily than one that is cut; letters of other scripts

from __future__ import annotations

import re
from functools import cache

LONGEST_REFUSAL = 600
"""Characters: a longer text says more than no, and is left to the schema and the judge."""

_PAUSE = r"[\s,.;:!،，。！、।]{0,4}"

# Of each language: how a refusal may begin, and what it then must say. What declines is always the writer's own help or
# answer: a text that is sorry for something, or that says what cannot be done with a printer, is an answer.
_LANGUAGES: dict[str, str] = {
    "English": (
        r"(?:(?:i'm|i am|we're)?\s*(?:very|so|really|truly)?\s*sorry[,.!]?\s+(?:but\s+)?"
        r"|unfortunately,?\s+|(?:i apologi[sz]e|(?:my )?apologies)[,.!]?\s+(?:but\s+)?|(?:i'm|i am) afraid,?\s+(?:that\s+)?"
        r"|as an? (?:ai|language)\b[^.]{0,60}?,\s+){0,3}"
        r"(?:i(?:'m| am| must| have to)?\s*(?:respectfully\s+)?"
        r"(?:(?:can't|cannot|can not)(?:,? and (?:won't|will not),?)?|(?:won't|will not)(?: be able to)?|unable to|not able to|decline to)\s+"
        r"(?:help|assist|provide|comply|answer|fulfil|do (?:that|this)|create|generate|write|discuss"
        r"|engage|share|respond|process|complete|continue|offer|give|support|participate)"
        r"|i(?: must| have to)? (?:respectfully )?decline (?:this|that) (?:request|question|prompt|task)\b"
        r"|i(?:(?: don't| do not) feel|'m not| am not) comfortable (?:with )?"
        r"(?:help|assist|provid|answer|creat|generat|writ|discuss|engag|shar|respond|continu|comply)\w*(?! (?:my|our|me|us)\b)\b"
        r"|it(?:'s| is) (?:not possible|impossible) for me to (?:help|assist|provide|comply|answer|create|generate|discuss|respond))"
        r"|as an? (?:ai|language)\b[^.]{0,60}?,\s+i (?:don't|do not) have the (?:ability|capability) to\b"
        r"|(?:the generated text|(?:this|your) (?:request|prompt|response)) (?:has been|was|is) blocked by our (?:content )?filters"
    ),
    "German": (
        r"(?:(?:(?:es )?tut mir (?:sehr |wirklich )?leid|leider|entschuldigung|entschuldigen sie|ich bedau[e]?re|bedauerlicherweise"
        r"|als (?:ki|sprachmodell)\w*[^.]{0,60}?)" + _PAUSE + r"){0,2}(?:(?:aber|dass|doch)\s+)?"
        r"(?:ich (?:kann|darf|werde|bin)|(?:da\w*\s+|das\s+|hier\w*\s+)?(?:kann|darf|werde|bin) ich)\b[^.!?\n]{0,80}?\b(?:nicht|keine?[nrs]?)\b"
        r"(?:[^.!?\n]{0,80}?\b|\s+)"
        r"(?:(?:weiter|aus)?helfen|be?antworten|bereitstellen|geben|unterstützen|erstellen|schreiben|generieren"
        r"|diskutieren|nachkommen|liefern|anbieten|erfüllen|in der lage|behilflich)"
    ),
    "Spanish": (
        r"(?:(?:lo siento(?: mucho)?|lamento(?: mucho)?|disculp[ae]s?(?:me)?|perd[oó]n|desafortunadamente|lamentablemente"
        r"|me temo que|como (?:modelo|ia|asistente)[^.]{0,60}?)" + _PAUSE + r"){0,2}(?:(?:pero|que)\s+)?(?:yo\s+)?"
        r"no (?:puedo|podr[ée]|podr[íi]a|me es posible|me est[áa] permitido|soy capaz de|estoy (?:en condiciones|autorizad[oa]|capacitad[oa]))"
        r"\b[^.!?\n]{0,50}?\b(?:ayud|respond|proporcion|contest|dar\b|darte|cumpl|gener|crear|escrib|habl|compart|asist"
        r"|ofrec|continu|discut|particip|proces|complet)"
    ),
    "French": (
        r"(?:(?:je suis (?:vraiment |sincèrement )?d[ée]sol[ée]e?|(?:toutes mes )?excuses|d[ée]sol[ée]e?|malheureusement"
        r"|je (?:le )?regrette|je m'excuse|en tant qu[^.]{0,60}?)" + _PAUSE + r"){0,2}(?:mais\s+)?"
        r"je ne (?:peux|puis|pourrai|suis|saurais)\b[^.!?\n]{0,60}?\b(?:aider|répondre|fournir|donner|créer|générer|écrire"
        r"|assister|discuter|partager|satisfaire|accéder|traiter|continuer|participer|produire|rédiger|proposer)"
    ),
    "Italian": (
        r"(?:(?:mi (?:di)?spiace(?: molto)?|(?:sono )?spiacente|purtroppo|scusa(?:mi|te)?|mi scuso"
        r"|come (?:modello|ia|assistente)[^.]{0,60}?)" + _PAUSE + r"){0,2}(?:ma\s+)?(?:io\s+)?"
        r"non (?:posso|potrei|potrò|sono in grado|mi è possibile|sono autorizzat[oa])\b[^.!?\n]{0,50}?"
        r"\b(?:aiut|rispond|forni|dar[et]|crear|generar|scriver|assister|discuter|condivider|soddisfar|continuar"
        r"|elaborar|partecipar|offrir)"
    ),
    "Portuguese": (
        r"(?:(?:(?:me )?desculp[ea](?:-me)?|sinto muito|lamento(?: muito)?|infelizmente|perd[ãa]o|peço desculpas?"
        r"|como (?:modelo|ia|assistente)[^.]{0,60}?)" + _PAUSE + r"){0,2}(?:mas\s+)?(?:eu\s+)?"
        r"n[ãa]o (?:posso|consigo|poderei|poderia|sou capaz|estou (?:apt[oa]|autorizad[oa])|me é possível|é possível)"
        r"\b[^.!?\n]{0,50}?\b(?:ajud|respond|fornec|dar\b|criar|gerar|escrev|auxili|discut|compartilh|partilh|atend"
        r"|continu|process|oferec|particip)"
    ),
    "Dutch": (
        r"(?:(?:het spijt (?:me|mij)|sorry|helaas|(?:mijn )?excuses|als (?:ai|taalmodel)[^.]{0,60}?)"
        + _PAUSE
        + r"){0,2}(?:maar\s+)?(?:ik\s+(?:kan|mag|zal|ben)|kan ik)\b[^.!?\n]{0,60}?\b(?:niet|geen)\b(?:[^.!?\n]{0,60}?\b|\s+)"
        r"(?:(?:mee)?helpen|beantwoorden|antwoorden|geven|verstrekken|schrijven|maken|genereren|bespreken|delen|voldoen"
        r"|assisteren|verwerken|in staat)"
    ),
    "Turkish": (
        r"(?:(?:üzgünüm|maalesef|ne yazık ki|(?:çok )?özür dilerim|kusura bakma(?:yın)?)"
        + _PAUSE
        + r"){0,2}[^.!?\n]{0,80}?"
        r"\b(?:yardımcı ol|yardım ed|yanıtl|cevapl|yanıt ver|cevap ver|sağl|oluştur|yaz|paylaş|üret|tartış|yerine getir)"
        r"\w{0,3}(?:am|em)(?:am|em|ıyorum|iyorum|ayacağım|eyeceğim)\b"
    ),
    "Russian": (
        r"(?:(?:извини(?:те)?|прости(?:те)?|к сожалению|мне (?:очень )?жаль|прошу прощения|приношу (?:свои )?извинения|сожалею"
        r"|как (?:языковая|ии)[^.]{0,60}?)" + _PAUSE + r"){0,2}(?:но\s+)?(?:я\s+)?"
        r"не (?:могу|смогу|в состоянии|имею возможности|буду)\b[^.!?\n]{0,60}?\b(?:помо[чг]|ответ|отвеч|предостав|выполн"
        r"|созда|дать\b|написа|обсужд|подели|участв|сгенерир|обработ|продолж|поддерж)"
    ),
    "Chinese": (
        r"(?:(?:非常|很|十分)?(?:抱歉|對不起|对不起|不好意思|遗憾|遺憾)(?:的是)?[，,。！!\s]*(?:但是?)?[，,\s]*我?|我)(?:们|們)?"
        r"(?:暂时|暫時|目前)?(?:无法|無法|不能|没办法|沒辦法|没有办法|沒有辦法|不便|不可以|无权|無權|无能|無能)"
        r"[^。！？\n]{0,20}?(?:回答|提供|帮|幫|协助|協助|处理|處理|生成|完成|满足|滿足|讨论|討論|回应|回應|回复|回覆|继续|繼續"
        r"|创建|創建|编写|編寫|撰写|撰寫|分享|执行|執行|参与|參與|给出|給出)"
    ),
    "Japanese": (
        r"(?:(?:大変|誠に)?(?:申し訳|すみません|すいません|恐れ入り|恐縮|残念|ごめん)[^。！？\n]{0,60}?|(?:その|この)[^。！？\n]{0,20}?"
        r"(?:質問|リクエスト|要求|依頼|要望)[^。！？\n]{0,10}?)[。、\s]*[^。！？\n]{0,40}?"
        r"(?:お答え|答え|回答|お手伝い|手伝|対応|提供|支援|サポート|応じ|お応え|協力|生成|議論|共有|お力になる|助け)[^。！？\n]{0,12}?"
        r"(?:できません|出来ません|できかね|いたしかね|しかね|かねます|られません|できない)"
    ),
    "Korean": (
        r"(?:죄송|미안|유감|안타깝|아쉽)[^.!?\n]{0,10}[,.\s]*[^.!?\n]{0,40}?"
        r"(?:답변|답해|도움|도와|제공|대답|응답|생성|논의|공유|지원|요청)[^.!?\n]{0,20}?(?:수(?:가|는)? 없|못\s?(?:합|해|드)|어렵|불가)"
    ),
    "Arabic": (
        r"(?:عذر[اًا]+|(?:أنا )?[آأا]سفة?|أعتذر|معذرة|المعذرة|للأسف|نأسف|يؤسفني)[^.!?\n]{0,30}?"
        r"(?:لا (?:أستطيع|يمكنني|أقدر|يمكن)|لن (?:أستطيع|أتمكن)|غير قادر|لست قادر)[^.!?\n]{0,30}?"
        r"(?:مساعد|الإجابة|إجابة|تقديم|توفير|إنشاء|كتابة|الرد|مناقشة|مشاركة|تلبية)"
    ),
    "Hindi": (
        r"(?:क्षमा|माफ़|माफ़|माफ|(?:मुझे )?(?:बहुत )?(?:खेद|अफसोस|अफ़सोस)|दुर्भाग्य|मैं)[^।.!?\n]{0,60}?[,।]?[^।.!?\n]{0,40}?"
        r"(?:मदद|सहायता|उत्तर|जवाब|प्रदान|जानकारी|चर्चा|साझा|अनुरोध)[^।.!?\n]{0,25}?"
        r"(?:नहीं[^।.!?\n]{0,15}?सक|असमर्थ)"
    ),
    "Hebrew": (
        r"(?:(?:אני )?מצטער(?:ת)?|סליחה|לצערי|אני מתנצל(?:ת)?|מתנצל(?:ת)?)?[\s,.]*(?:אבל\s+|אך\s+)?"
        r"(?:איני|אינני|אני לא|לא אוכל|לא יכול(?:ה)?|אין באפשרותי)[^.!?\n]{0,20}?"
        r"(?:לעזור|לענות|לספק|לסייע|להשיב|ליצור|לכתוב|לדון|לשתף|למלא|לבצע)"
    ),
}


@cache
def _beginning() -> re.Pattern[str]:
    """Compile at the first question: most Lambdas start without one, and it takes a thirtieth of a start."""
    forms = "|".join(f"(?:{form})" for form in _LANGUAGES.values())
    return re.compile(rf"""["'*\s]*(?:{forms})""", re.IGNORECASE)


def is_refusal(text: str) -> bool:
    """Tell whether a text declines to answer.

    Examples
    --------
    >>> is_refusal("I'm sorry, but I can't help with that.")
    True
    >>> is_refusal("Es tut mir leid, aber dabei kann ich nicht helfen.")
    True
    >>> is_refusal("I can't wait to see it!")
    False
    """
    return len(text) <= LONGEST_REFUSAL and _beginning().match(text.replace("\u2019", "'")) is not None
