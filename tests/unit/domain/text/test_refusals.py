"""A refusal is told in the languages that Nova speaks, and what only sounds like one is not."""

# ruff: noqa: RUF001 - marks and letters of other scripts

from __future__ import annotations

import time

import pytest

from lambdas.domain.text.refusals import LONGEST_REFUSAL, is_refusal

REFUSALS = [
    "很抱歉，我无法回答这个问题。",
    "抱歉，我不能提供这方面的帮助。",
    "很抱歉，我無法協助您完成這個請求。",
    "我无法协助处理此请求。",
    "Es tut mir leid, aber ich kann dabei nicht helfen.",
    "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "Leider kann ich Ihnen bei dieser Anfrage nicht weiterhelfen.",
    "Ich kann diese Frage nicht beantworten.",
    "Ich bin nicht in der Lage, diese Anfrage zu erfüllen.",
    "Entschuldigung, aber ich kann keine Informationen dazu geben.",
    "Tut mir leid, das kann ich nicht beantworten.",
    "Lo siento, pero no puedo ayudar con eso.",
    "Lo siento, no puedo proporcionar esa información.",
    "No puedo responder a esa pregunta.",
    "Lamentablemente, no puedo ayudarte con esta solicitud.",
    "Je suis désolé, mais je ne peux pas vous aider.",
    "Désolé, je ne peux pas répondre à cette question.",
    "Malheureusement, je ne suis pas en mesure de vous aider avec cette demande.",
    "Mi dispiace, ma non posso aiutarti con questa richiesta.",
    "Mi dispiace, non sono in grado di rispondere a questa domanda.",
    "Purtroppo non posso fornire queste informazioni.",
    "Desculpe, mas não posso ajudar com isso.",
    "Sinto muito, mas não posso fornecer essa informação.",
    "Infelizmente, não consigo responder a essa pergunta.",
    "Het spijt me, maar ik kan je daar niet bij helpen.",
    "Sorry, maar ik kan deze vraag niet beantwoorden.",
    "Helaas kan ik geen informatie hierover geven.",
    "Üzgünüm, ancak bu konuda yardımcı olamam.",
    "Maalesef bu soruyu yanıtlayamam.",
    "Üzgünüm, bu isteğinize yardımcı olamıyorum.",
    "Извините, но я не могу с этим помочь.",
    "К сожалению, я не могу ответить на этот вопрос.",
    "Прошу прощения, но я не могу предоставить эту информацию.",
    "申し訳ありませんが、そのご質問にはお答えできません。",
    "申し訳ございませんが、そのリクエストにはお応えできません。",
    "すみませんが、それについてはお手伝いできません。",
    "죄송하지만, 그 요청은 도와드릴 수 없습니다.",
    "죄송합니다. 해당 질문에는 답변할 수 없습니다.",
    "죄송합니다만 도움을 드릴 수 없습니다.",
    "عذراً، لا أستطيع مساعدتك في ذلك.",
    "آسف، لا يمكنني الإجابة على هذا السؤال.",
    "أعتذر، ولكن لا يمكنني تقديم هذه المعلومات.",
    "क्षमा करें, मैं इसमें आपकी मदद नहीं कर सकता।",
    "मुझे खेद है, लेकिन मैं इस प्रश्न का उत्तर नहीं दे सकता।",
    "माफ़ कीजिए, मैं इस अनुरोध में सहायता नहीं कर सकती।",
    "אני מצטער, אבל אני לא יכול לעזור בזה.",
    "מצטער, איני יכול לענות על השאלה הזאת.",
    "לצערי, לא אוכל לסייע בבקשה זו.",
    "I’m sorry, but I can’t assist with that request.",
    "I apologize, but I cannot provide that.",
    "As an AI language model, I cannot answer that.",
    "I'm afraid I can't help with that.",
    "I'm sorry, I won't be able to assist with this.",
    "My apologies, but I can't help with that.",
    "Apologies, but I am unable to assist.",
    "I cannot and will not provide instructions for that.",
    "I must respectfully decline to answer this.",
    "I respectfully decline this request.",
    "I don’t feel comfortable answering that.",
    "I'm not comfortable providing that information.",
    "As an AI, I cannot do that.",
    "As an AI, I don't have the ability to access personal data.",
    "It is not possible for me to answer this question.",
    "The generated text has been blocked by our content filters.",
    "Tut mir leid, ich kann bei dieser Anfrage nicht behilflich sein.",
]
ANSWERS = [
    "Es tut mir leid, dass Ihr Drucker nicht druckt. Bitte starten Sie ihn neu.",
    "Ich kann es kaum erwarten.",
    "Der Kunde kann sich nicht anmelden.",
    "Ich kann mich nicht anmelden.",
    "Lo siento mucho por las molestias. Su pedido llegará mañana.",
    "No puedo iniciar sesión",
    "El usuario no puede ayudar",
    "Je suis désolé pour le retard. Votre colis arrive demain.",
    "Je ne peux pas me connecter",
    "Mi dispiace per il disagio, il rimborso arriverà domani.",
    "Desculpe pelo transtorno, o reembolso será feito amanhã.",
    "Sorry voor het ongemak, uw bestelling komt morgen.",
    "Üzgünüm, siparişiniz gecikti.",
    "Извините за задержку, ваш заказ прибудет завтра.",
    "申し訳ございません。商品の到着が遅れております。",
    "申し訳ありませんが、この商品は現在購入できません。",
    "죄송합니다. 배송이 지연되고 있습니다.",
    "很抱歉给您带来不便，您的订单明天到达。",
    "我无法登录账户",
    "无法处理",
    "عذراً على التأخير، سيصل طلبك غداً.",
    "देरी के लिए क्षमा करें, आपका ऑर्डर कल आएगा।",
    "अनुरोध",
    "סליחה על העיכוב, ההזמנה תגיע מחר.",
    "hardware",
    '{"label": "refusal"}',
    "I can't wait to see it!",
    "Ich kann Ihnen bestätigen, dass die Lieferung nicht verspätet ist.",
    "Non posso accedere al mio account",
    "I'm afraid the train is late, the next one leaves at nine.",
    "My apologies for the delay, your parcel comes tomorrow.",
    "I won't be able to attend the meeting on Friday.",
    "I respectfully decline your offer.",
    "I don't feel comfortable in the new office.",
    "I'm not comfortable sharing my card number by telephone.",
    "It is not possible for me to come on Monday.",
    "I don't have the ability to log in.",
    "As an AI company, we have the ability to grow.",
    "The customer writes: I'm afraid I can't help with that.",
    "The mail was blocked by our content filters, says the customer.",
    "Your request was blocked since the form lacks a date.",
    "Ich kann Ihnen dabei gern behilflich sein.",
    "I'm afraid I can't help with that. " + "But here is what you can do yourself, step by step. " * 12,
]


@pytest.mark.parametrize("text", REFUSALS)
def test_declining_is_a_refusal_in_each_language(text: str) -> None:
    # Given / When / Then, also emphasised and in quotes
    assert is_refusal(text)
    assert is_refusal(f'"**{text}**"')


@pytest.mark.parametrize("text", ANSWERS)
def test_an_apology_or_a_customers_words_are_an_answer(text: str) -> None:
    # Given / When / Then
    assert not is_refusal(text)


@pytest.mark.parametrize(
    "unit",
    [
        "ich kann nicht ",
        "lo siento ",
        "申し訳",
        "मैं ",
        "sorry ",
        "as an ai, ",
        "i'm afraid ",
        "apologies ",
        "als ki ",
        "je suis désolé ",
        "죄송",
        "この質問",
        "عذرا ",
    ],
)
def test_no_text_takes_long(unit: str) -> None:
    # Given what nearly begins a refusal, again and again
    text = (unit * LONGEST_REFUSAL)[:LONGEST_REFUSAL]

    # When
    began = time.process_time()
    is_refusal(text)

    # Then
    assert time.process_time() - began < 0.2
